//! Connections: to one node, or to all nodes of a cluster. Each carries many calls at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError, RedisFuture,
    RedisResult, Script, ServerErrorKind, Value, cmd,
};

use socket2::TcpKeepalive;

use crate::config::RedisConfig;
use crate::error::{Fault, OpenError, was_cut_off};

/// One connection.
#[derive(Clone)]
pub(crate) enum Connection {
    One(One),
    Cluster(ClusterConnection),
}

/// To one node, by which nothing is asked of a replica: a primary may become one at any time, and after a failover the
/// address may lead to one. Whenever the role is in doubt it is looked at before anything else is sent: after a
/// connection broke, after the server refused to write, and when somebody wants to be sure. The nodes of a cluster need
/// none of it, since they answer for what is theirs and name the right one for the rest.
#[derive(Clone)]
pub(crate) struct One {
    manager: ConnectionManager,
    /// How often the role was doubted, by this connection or the one beside it.
    doubts: Arc<AtomicU64>,
    /// How often it had been when this connection last led to a primary.
    settled: Arc<AtomicU64>,
}

impl One {
    fn new(manager: ConnectionManager) -> Self {
        Self { manager, doubts: Arc::default(), settled: Arc::default() }
    }

    fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::SeqCst);
    }

    /// Goes on if this leads to a primary, as far as anybody knows.
    async fn settle(&mut self) -> RedisResult<()> {
        let doubts = self.doubts.load(Ordering::SeqCst);
        if self.settled.load(Ordering::SeqCst) >= doubts {
            return Ok(());
        }
        let mut ask = cmd("INFO");
        ask.arg("replication");
        let told = self.manager.req_packed_command(&ask).await?.extract_error()?;
        let told: String = redis::from_redis_value(told)?;
        if !told.lines().any(|line| line.trim_end() == "role:master") {
            let kind = ErrorKind::Server(ServerErrorKind::ReadOnly);
            return Err(
                (kind, "the server has become a replica: it is not asked until it is a primary").into()
            );
        }
        self.settled.fetch_max(doubts, Ordering::SeqCst);
        Ok(())
    }

    async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.settle().await?;
        let answer = self.manager.req_packed_command(command).await;
        if answer.as_ref().map_or_else(is_doubtful, is_read_only) {
            self.doubt();
        }
        answer
    }

    async fn send_all(
        &mut self,
        commands: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.settle().await?;
        let answers = self.manager.req_packed_commands(commands, offset, count).await;
        let doubtful = match &answers {
            Ok(answers) => answers.iter().any(is_read_only),
            Err(error) => is_doubtful(error),
        };
        if doubtful {
            self.doubt();
        }
        answers
    }
}

/// What a replica says to whoever wants to write.
const READ_ONLY: &str = "READONLY";

fn is_read_only(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == READ_ONLY)
}

/// Whether what answers next may be another server, or the same in another role.
fn is_doubtful(error: &RedisError) -> bool {
    was_cut_off(error) || error.code() == Some(READ_ONLY)
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
            Self::One(one) => Box::pin(one.send(cmd)),
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
            Self::One(one) => Box::pin(one.send_all(cmd, offset, count)),
            Self::Cluster(cluster) => cluster.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(one) => one.manager.get_db(),
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
    manager.map(|manager| Connection::One(One::new(manager))).map_err(reached)
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
    /// Another one, whose doubts about the role are this one's too, and the other way round.
    pub(crate) async fn beside(&self, config: &RedisConfig) -> Result<Self, OpenError> {
        let mut other = connect(config).await?;
        if let (Self::One(other), Self::One(this)) = (&mut other, self) {
            other.doubts = Arc::clone(&this.doubts);
            this.doubt();
        }
        Ok(other)
    }

    /// Has the role looked at before the next call.
    pub(crate) fn doubt(&self) {
        if let Self::One(one) = self {
            one.doubt();
        }
    }

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

    /// The same for one that writes nothing, or may write twice: asked once more where the connection broke.
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
