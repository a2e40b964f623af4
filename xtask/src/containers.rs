//! `xtask-containers`: starts the containers that its argument lists, prints `ready` and where each is in the engine's own
//! network, and removes them when its standard input ends. So they go with the process that asked for them, however that
//! ends.

mod plan;

use std::io::Read;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io};

use anyhow::{Context, Result};
use plan::Container;
use testcontainers::bollard::models::PortBinding;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::{IntoContainerPort, Mount, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

/// Marks what one process of this has started.
const LABEL: &str = "roster.tests";

/// How long an engine may take to start a container whose image it has.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let plan = env::args().nth(1).context("the argument is a list of containers, as JSON")?;
    let plan: Vec<Container> = serde_json::from_str(&plan).context("the list of containers")?;
    let mut running = Vec::new();
    let started = start(&plan, &mut running).await;
    if started.is_ok() {
        println!("ready {}", serde_json::to_string(&inside(&running).await)?);
        io::stdin().read_to_end(&mut Vec::new())?;
    }
    // The one whose network others share goes last.
    for container in running.into_iter().rev() {
        container.rm().await?;
    }
    remove_what_is_left().await?;
    started
}

async fn start(plan: &[Container], running: &mut Vec<ContainerAsync<GenericImage>>) -> Result<()> {
    let mut network = String::new();
    for container in plan {
        let asked = request(container, &network);
        let started = asked.start().await;
        let started = started.with_context(|| format!("{}:{}", container.image, container.tag))?;
        if !container.shares_network {
            network = format!("container:{}", started.id());
        }
        running.push(started);
    }
    Ok(())
}

/// The address of each in the engine's own network, of those that have one. It may be reached from here or not, and nothing
/// depends on it.
async fn inside(running: &[ContainerAsync<GenericImage>]) -> Vec<Option<IpAddr>> {
    let docker = if is_elsewhere() { None } else { docker_client_instance().await.ok() };
    let mut found = Vec::new();
    for container in running {
        let said = match &docker {
            Some(docker) => docker.inspect_container(container.id(), None).await.ok(),
            None => None,
        };
        let networks = said.and_then(|it| it.network_settings?.networks).unwrap_or_default();
        found.push(networks.into_values().find_map(|network| network.ip_address?.parse().ok()));
    }
    found
}

fn request(container: &Container, network: &str) -> ContainerRequest<GenericImage> {
    let image = GenericImage::new(&container.image, &container.tag).with_wait_for(WaitFor::Nothing);
    let image = container.ports.iter().fold(image, |image, (_, port)| image.with_exposed_port(port.tcp()));
    let mut asked = image
        .with_cmd(container.arguments.clone())
        .with_label(LABEL, std::process::id().to_string())
        .with_mount(Mount::tmpfs_mount(&container.folder))
        .with_startup_timeout(PATIENCE);
    for (name, value) in &container.variables {
        asked = asked.with_env_var(name, value);
    }
    if container.shares_network {
        return asked.with_network(network);
    }
    let ports = container.ports.clone();
    asked.with_host_config_modifier(move |host| {
        let binding = |port: u16| PortBinding { host_ip: address(), host_port: Some(port.to_string()) };
        let bindings = ports.iter().map(|(here, there)| (format!("{there}/tcp"), Some(vec![binding(*here)])));
        host.publish_all_ports = Some(false);
        host.port_bindings = Some(bindings.collect());
    })
}

/// Only this machine is to reach them, unless the engine runs on another.
fn address() -> Option<String> {
    (!is_elsewhere()).then(|| "127.0.0.1".to_owned())
}

fn is_elsewhere() -> bool {
    env::var("DOCKER_HOST").is_ok_and(|host| !host.starts_with("unix:"))
}

/// One that was made and did not start is nobody's to drop.
async fn remove_what_is_left() -> Result<()> {
    let docker = docker_client_instance().await?;
    let ours = [("label".to_owned(), vec![format!("{LABEL}={}", std::process::id())])];
    let ours = ListContainersOptionsBuilder::new().all(true).filters(&ours.into()).build();
    for left in docker.list_containers(Some(ours)).await? {
        let removal = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        docker.remove_container(&left.id.unwrap_or_default(), Some(removal)).await?;
    }
    Ok(())
}
