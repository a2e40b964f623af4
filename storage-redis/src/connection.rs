//! Connections: to one node, or to all nodes of a cluster. Each carries many calls at a time.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, Cmd, FromRedisValue, IntoConnectionInfo, Pipeline, RedisFuture, RedisResult, Script, Value,
};

use socket2::TcpKeepalive;

use crate::config::RedisConfig;
use crate::error::{Fault, OpenError, was_cut_off};

/// One connection.
#[derive(Clone)]
pub(crate) enum Connection {
    One(ConnectionManager),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(_) => "One",
            Self::Cluster(_) => "Cluster",
        })
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(one) => one.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(one) => one.req_packed_commands(cmd, offset, count),
            Self::Cluster(cluster) => cluster.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(one) => one.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

/// Connects.
pub(crate) async fn connect(config: &RedisConfig) -> Result<Connection, OpenError> {
    // Where the program has chosen a provider of TLS, that one is used.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let url = |error: redis::RedisError| OpenError::Url { detail: error.to_string() };
    let reached = |source| OpenError::Redis { source };
    let urls = config.urls();
    if urls.len() > 1 {
        let client = ClusterClient::builder(urls)
            .retries(3)
            .connection_timeout(config.connection_timeout)
            .response_timeout(config.response_timeout)
            .overall_response_timeout(Some(config.response_timeout))
            .tcp_settings(tcp())
            .build()
            .map_err(url)?;
        return Ok(Connection::Cluster(client.get_async_connection().await.map_err(reached)?));
    }
    let address = urls.first().copied().unwrap_or_default().into_connection_info().map_err(url)?;
    let client = Client::open(address.set_tcp_settings(tcp())).map_err(url)?;
    let settings = ConnectionManagerConfig::new()
        .set_number_of_retries(2)
        .set_max_delay(Duration::from_millis(500))
        .set_connection_timeout(Some(config.connection_timeout))
        .set_response_timeout(Some(config.response_timeout));
    let manager = client.get_connection_manager_with_config(settings).await;
    manager.map(Connection::One).map_err(reached)
}

/// A peer that is gone without a word is noticed in 15 seconds or so, and its connection made anew.
fn tcp() -> TcpSettings {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(10)).with_interval(Duration::from_secs(5));
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(15));
    settings
}

impl Connection {
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Runs a script on the keys of a home.
    pub(crate) async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[Vec<u8>],
    ) -> RedisResult<T> {
        let mut invocation = script.prepare_invoke();
        invocation.key(keys).arg(arguments);
        invocation.invoke_async(&mut self.clone()).await
    }

    /// The same for one that writes nothing: asked once more where the connection broke.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[Vec<u8>],
    ) -> Result<T, Fault> {
        match self.call(script, keys, arguments).await {
            Err(error) if was_cut_off(&error) && !error.is_timeout() => {
                Ok(self.call(script, keys, arguments).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Commands that write nothing, in one go: asked once more where the connection broke.
    pub(crate) async fn ask_together<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Fault> {
        match pipeline.query_async(&mut self.clone()).await {
            Err(error) if was_cut_off(&error) && !error.is_timeout() => {
                Ok(pipeline.query_async(&mut self.clone()).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Runs a plain command.
    pub(crate) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        command.query_async(&mut self.clone()).await
    }
}
