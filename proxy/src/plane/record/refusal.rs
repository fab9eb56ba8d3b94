//! Commands that explain a call which was refused or left the mesh, as its log line carries them.

use mesh_snapshot::shell_word;

use super::Kept;
use crate::plane::accept::Downstream;

/// The longest URL that is put into a command.
const LONGEST: usize = 2048;

/// What a connection called: the server name of TLS, or the address.
pub(super) fn called(downstream: &Downstream) -> String {
    downstream.server_name.as_deref().map_or_else(|| downstream.destination.to_string(), str::to_owned)
}

/// `lateenctl explain POD GET http://reviews:9080/`: the URL leads to where the connection was going.
pub(super) fn of_request(pod: &str, downstream: &Downstream, kept: &Kept) -> Option<Box<str>> {
    let scheme = downstream.scheme();
    let default = if scheme == "https" { 443 } else { 80 };
    let (authority, path, at) = (&kept.authority, &kept.path, downstream.destination);
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(default);
    let own = port == at.port() && !authority.is_empty();
    let url = if own { format!("{scheme}://{authority}{path}") } else { format!("{scheme}://{at}{path}") };
    if url.len() > LONGEST {
        return None;
    }
    let mut command = format!("lateenctl explain {} {} {}", shell_word(pod), kept.method, shell_word(&url));
    if !own && !authority.is_empty() {
        command += &format!(" -H {}", shell_word(&format!("host: {authority}")));
    }
    Some(command.into())
}

/// `lateenctl explain POD GET tls://google.com:443`.
pub(super) fn of_connection(pod: &str, downstream: &Downstream) -> Box<str> {
    let at = downstream.destination;
    let url = match &downstream.server_name {
        Some(name) => format!("tls://{name}:{}", at.port()),
        None => format!("tcp://{at}"),
    };
    format!("lateenctl explain {} GET {}", shell_word(pod), shell_word(&url)).into()
}

#[cfg(test)]
mod tests;
