//! What probes and lifecycle hooks do: run a command, make a request, open a connection.
//!
//! As the kubelet, requests go out from the node's network namespace to the pod's address.

use std::{io, net::Ipv4Addr, time::Duration};

use k8s_openapi::{
    api::core::v1::{Container as Spec, ExecAction, GRPCAction, HTTPGetAction, TCPSocketAction},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    access::{ExecRequest, Exit},
    runtime::Container,
};
use crate::net::netns::NetNs;

pub mod grpc;
pub mod http;

/// How much output of a probe is kept.
const OUTPUT_MAX: u64 = 10 * 1024;

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Success,
    /// Badly; with what the container said.
    Failure(String),
    /// It could not be tried.
    Error(String),
}

/// A running container as the node agent reaches it.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The container.
    pub container: Container,
    /// Its manifest, for the names of its ports.
    pub spec: Spec,
    /// The pod's address.
    pub ip: Ipv4Addr,
    /// The node's network.
    pub netns: NetNs,
}

impl Reach {
    /// Runs a command in the container; a code other than 0 is a failure.
    pub async fn exec(&self, action: &ExecAction, limit: Duration) -> Outcome {
        let command = action.command.clone().unwrap_or_default();
        let quoted = format!("{:?}", command.join(" "));
        let request = ExecRequest { command, stdout: true, stderr: true, ..ExecRequest::default() };
        let run = async {
            let session = self.container.exec(&request).await?;
            let (out, err) = tokio::join!(read(session.stdout), read(session.stderr));
            let exit = session.exit.await.unwrap_or(Exit::Signal(9));
            Ok::<_, io::Error>((exit.code(), out + &err))
        };
        match timeout(limit, run).await {
            Ok(Ok((0, _))) => Outcome::Success,
            Ok(Ok((_, text))) => Outcome::Failure(text),
            // An exec that cannot start is a failure of the container, as with other runtimes.
            Ok(Err(error)) => Outcome::Failure(error.to_string()),
            Err(_) => Outcome::Error(format!("command timed out: {quoted} timed out after {}", seconds(limit))),
        }
    }

    /// `httpGet` as a probe: a status of 200 to 399 is success.
    pub async fn http_probe(&self, action: &HTTPGetAction, limit: Duration) -> Outcome {
        match self.http_get(action, limit).await {
            Err(outcome) => outcome,
            Ok(status) if (200..400).contains(&status) => Outcome::Success,
            Ok(status) => Outcome::Failure(format!("HTTP probe failed with statuscode: {status}")),
        }
    }

    /// `httpGet` as a hook: any answer will do.
    pub async fn http_hook(&self, action: &HTTPGetAction, limit: Duration) -> Outcome {
        self.http_get(action, limit).await.map_or_else(|outcome| outcome, |_| Outcome::Success)
    }

    async fn http_get(&self, action: &HTTPGetAction, limit: Duration) -> Result<u16, Outcome> {
        let port = self.port(&action.port).map_err(Outcome::Error)?;
        let host = action.host.clone().filter(|h| !h.is_empty()).unwrap_or_else(|| self.ip.to_string());
        let tls = action.scheme.as_deref() == Some("HTTPS");
        let path = action.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/");
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let headers: Vec<(String, String)> =
            action.http_headers.iter().flatten().map(|h| (h.name.clone(), h.value.clone())).collect();
        let target = http::Target { host, port, tls, path };
        http::get(&self.netns, &target, &headers, limit).await.map_err(Outcome::Failure)
    }

    /// Opens a connection.
    pub async fn tcp(&self, action: &TCPSocketAction, limit: Duration) -> Outcome {
        let port = match self.port(&action.port) {
            Ok(port) => port,
            Err(message) => return Outcome::Error(message),
        };
        let host = action.host.clone().filter(|h| !h.is_empty()).unwrap_or_else(|| self.ip.to_string());
        match dial(&self.netns, &host, port, limit).await {
            Ok(_) => Outcome::Success,
            Err(message) => Outcome::Failure(message),
        }
    }

    /// Asks `grpc.health.v1.Health`.
    pub async fn grpc(&self, action: &GRPCAction, limit: Duration) -> Outcome {
        let Ok(port) = u16::try_from(action.port) else {
            return Outcome::Error(format!("invalid port number: {}", action.port));
        };
        let service = action.service.as_deref().unwrap_or_default();
        match grpc::check(&self.netns, &self.ip.to_string(), port, service, limit).await {
            Ok(()) => Outcome::Success,
            Err(message) => Outcome::Failure(message),
        }
    }

    /// A port by number or by its name in the manifest.
    fn port(&self, port: &IntOrString) -> Result<u16, String> {
        let number = match port {
            IntOrString::Int(number) => *number,
            IntOrString::String(name) => {
                let named = self.spec.ports.iter().flatten().find(|p| p.name.as_deref() == Some(name));
                match named {
                    Some(port) => port.container_port,
                    None => name.parse().map_err(|_| format!("strconv.Atoi: parsing {name:?}: invalid syntax"))?,
                }
            }
        };
        u16::try_from(number).ok().filter(|n| *n > 0).ok_or_else(|| format!("invalid port number: {number}"))
    }
}

/// Connects from `netns`; the error is worded as Go's.
pub async fn dial(netns: &NetNs, host: &str, port: u16, limit: Duration) -> Result<TcpStream, String> {
    let at = format!("{host}:{port}");
    let connect = async {
        let mut addresses = tokio::net::lookup_host((host, port)).await?;
        let address = addresses.next().ok_or_else(|| io::Error::other("no such host"))?;
        netns.connect_tcp(address).await
    };
    match timeout(limit, connect).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(match error.kind() {
            io::ErrorKind::ConnectionRefused => format!("dial tcp {at}: connect: connection refused"),
            io::ErrorKind::HostUnreachable => format!("dial tcp {at}: connect: no route to host"),
            io::ErrorKind::NetworkUnreachable => format!("dial tcp {at}: connect: network is unreachable"),
            _ => format!("dial tcp {at}: {error}"),
        }),
        Err(_) => Err(format!("dial tcp {at}: i/o timeout")),
    }
}

/// A duration as Go prints it: `1s`.
fn seconds(limit: Duration) -> String {
    super::backoff::go_seconds(limit)
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        let mut limited = stream.take(OUTPUT_MAX);
        if let Err(error) = limited.read_to_end(&mut bytes).await {
            tracing::debug!(%error, "output of a command cut short");
        }
        // The rest is read too, so that the command does not block on a full pipe.
        let mut rest = limited.into_inner();
        let mut waste = [0; 4096];
        while matches!(rest.read(&mut waste).await, Ok(n) if n > 0) {}
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
