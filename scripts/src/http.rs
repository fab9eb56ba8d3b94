//! A GET over plain HTTP to a listener of this machine; all that the demo's check needs.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result};

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks for `path` on a connection of its own, so that each call meets the Service's choice anew.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    let patience = Duration::from_secs(10);
    let mut stream =
        TcpStream::connect_timeout(&address, patience).with_context(|| format!("no listener at {address}"))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    // The answer ends with the connection; HTTP/1.1, because sidecars of Istio's kind refuse HTTP/1.0.
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes)).with_context(|| format!("http://{address}{path} answers with no HTTP"))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests;
