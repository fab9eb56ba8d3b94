//! What a request says of its client, how much of that is believed, and what the upstream is told instead.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers>

use std::{fmt::Write, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ipnet::IpNet;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as pb;

use crate::{
    listener::networks,
    refusal::{At, Bad},
    take::{flag, nothing_left},
    tls::PeerFacts,
};

/// How much is believed of what a request says of its client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Whether the peer's address is the client's (`use_remote_address`): then it is added to `x-forwarded-for`, and
    /// `x-envoy-*` and `x-request-id` from there are not believed.
    pub is_first: bool,
    /// How many proxies before this one are trusted.
    pub trusted_hops: u32,
    /// Whether the peer's address is added to `x-forwarded-for`.
    pub appends: bool,
    /// Whether the `x-request-id` of a client is kept.
    pub keeps_request_id: bool,
    internal: Vec<IpNet>,
}

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address, as far as is known.
    pub address: IpAddr,
    /// Whether it is one of our own.
    pub is_internal: bool,
}

impl Edge {
    pub(super) fn parse(message: &mut pb::HttpConnectionManager) -> Result<Self, Bad> {
        let is_first = flag(message.use_remote_address.take()).unwrap_or(false);
        let mut internal = Vec::new();
        if let Some(mut config) = message.internal_address_config.take() {
            internal = networks(std::mem::take(&mut config.cidr_ranges)).at("internal_address_config.cidr_ranges")?;
            // Clients do not come by such sockets.
            config.unix_sockets = false;
            nothing_left(&config).at("internal_address_config")?;
        }
        Ok(Self {
            is_first,
            trusted_hops: std::mem::take(&mut message.xff_num_trusted_hops),
            appends: is_first && !std::mem::take(&mut message.skip_xff_append),
            keeps_request_id: std::mem::take(&mut message.preserve_external_request_id),
            internal,
        })
    }

    /// The client of a request that came from `peer`, whose `x-forwarded-for` is `forwarded` (all its values, joined).
    pub fn client(&self, peer: IpAddr, forwarded: &str) -> Client {
        let hops = (self.trusted_hops as usize).checked_sub(usize::from(self.is_first));
        let named = hops.and_then(|hops| forwarded.split(',').rev().nth(hops)?.trim().parse::<IpAddr>().ok());
        let address = named.unwrap_or(peer);
        // What others have passed on may come from anywhere.
        let is_direct = if self.is_first { forwarded.is_empty() } else { !forwarded.contains(',') };
        let is_internal = is_direct && self.internal.iter().any(|net| net.contains(&address));
        Client { address, is_internal }
    }
}

/// What becomes of `x-forwarded-client-cert`.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCertHeader {
    mode: Mode,
    subject: bool,
    cert: bool,
    chain: bool,
    uri: bool,
    dns: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Remove,
    Keep,
    KeepOfProven,
    Append,
    Replace,
}

impl ClientCertHeader {
    pub(super) fn parse(message: &mut pb::HttpConnectionManager) -> Result<Self, Bad> {
        use pb::http_connection_manager::ForwardClientCertDetails as F;
        let mode = match F::try_from(std::mem::take(&mut message.forward_client_cert_details)) {
            Ok(F::Sanitize) => Mode::Remove,
            Ok(F::ForwardOnly) => Mode::KeepOfProven,
            Ok(F::AppendForward) => Mode::Append,
            Ok(F::SanitizeSet) => Mode::Replace,
            Ok(F::AlwaysForwardOnly) => Mode::Keep,
            Err(_) => return Err(Bad::new("forward_client_cert_details", "is unknown")),
        };
        let mut told = message.set_current_client_cert_details.take().unwrap_or_default();
        let header = Self {
            mode,
            subject: flag(told.subject.take()).unwrap_or(false),
            cert: std::mem::take(&mut told.cert),
            chain: std::mem::take(&mut told.chain),
            uri: std::mem::take(&mut told.uri),
            dns: std::mem::take(&mut told.dns),
        };
        nothing_left(&told).at("set_current_client_cert_details")?;
        Ok(header)
    }

    /// The value to pass on: `given` came with the request, `peer` is who the client has proven to be, `own` the URI in
    /// the certificate that it was shown. None: there is to be none.
    pub fn value(&self, given: Option<&str>, peer: Option<&PeerFacts>, own: Option<&str>) -> Option<String> {
        match (self.mode, peer) {
            (Mode::Keep, _) | (Mode::KeepOfProven, Some(_)) => given.map(str::to_owned),
            (Mode::Remove, _) | (_, None) => None,
            (Mode::Replace, Some(peer)) => Some(self.element(peer, own)),
            (Mode::Append, Some(peer)) => {
                let element = self.element(peer, own);
                Some(given.map_or(element.clone(), |given| format!("{given},{element}")))
            }
        }
    }

    fn element(&self, peer: &PeerFacts, own: Option<&str>) -> String {
        let mut parts: Vec<String> = own.map(|own| format!("By={own}")).into_iter().collect();
        parts.push(format!("Hash={}", peer.hash));
        if self.cert {
            parts.push(format!("Cert=\"{}\"", peer.chain.first().map(|own| escaped_pem(own)).unwrap_or_default()));
        }
        if self.chain {
            parts.push(format!("Chain=\"{}\"", peer.chain.iter().map(|one| escaped_pem(one)).collect::<String>()));
        }
        if self.subject {
            parts.push(format!("Subject=\"{}\"", peer.subject.replace('"', "\\\"")));
        }
        if self.uri {
            let first = peer.uris.first().map_or("", String::as_str);
            parts.push(format!("URI={first}"));
        }
        if self.dns {
            parts.extend(peer.dns.iter().map(|name| format!("DNS={name}")));
        }
        parts.join(";")
    }
}

/// A certificate as PEM, in the escapes of a URL.
fn escaped_pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines = (0..text.len()).step_by(64).map(|start| &text[start..text.len().min(start + 64)]);
    let lines: Vec<&str> = lines.collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    let mut out = String::new();
    for byte in pem.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests;
