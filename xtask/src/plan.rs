//! What `xtask-containers` is told to start: a list of these, as JSON in its only argument.

use serde::{Deserialize, Serialize};

/// A container to start.
#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, Clone)]
pub struct Container {
    /// The image's name, without its tag.
    pub image: String,
    /// The image's tag.
    pub tag: String,
    /// What the image's own program is given.
    pub arguments: Vec<String>,
    /// Its environment.
    pub variables: Vec<(String, String)>,
    /// Ports of this machine, each with the container's own behind it.
    pub ports: Vec<(u16, u16)>,
    /// Whether its network is that of the container before it that has one of its own: then it has no ports.
    pub shares_network: bool,
    /// A folder of its own that is kept in memory.
    pub folder: String,
}
