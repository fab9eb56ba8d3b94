//! Gateway.

use std::{collections::BTreeSet, net::IpAddr};

use istio_api::gateway as api;
use mesh_types::{Labels, Protocol};

use super::{
    at::At,
    tls::server_tls,
    words::{dns_label, host, is_dns_label, port, said, unix_path},
};
use crate::config::{Gateway, Server, ServerHost, ServerHostScope, ServerPort};

/// What an address that is a path begins with.
pub(super) const UNIX: &str = "unix://";

pub(super) fn gateway(given: &istio_api::Gateway, at: &At<'_>) -> Gateway {
    if !is_dns_label(&at.desk.meta.name) {
        at.desk.at("metadata").field("name").error(
            format!("`{}` cannot be the name of a Gateway", at.desk.meta.name),
            "use lower-case letters, digits and `-`, no dots",
        );
    }
    if given.servers.is_empty() {
        at.field("servers").error("the Gateway has no servers", "add one");
    }
    let mut names = BTreeSet::new();
    let servers = at.field("servers").each(&given.servers, |server, at| {
        let name = server.port.as_ref().map_or("", |p| &p.name);
        if !name.is_empty() && !names.insert(name.to_owned()) {
            at.field("port").field("name").error(format!("there are two ports `{name}`"), "give them different names");
        }
        self::server(server, at)
    });
    Gateway { selector: Labels(given.selector.clone()), own_namespace_only: false, servers }
}

fn server(given: &api::Server, at: &At<'_>) -> Option<Server> {
    if given.hosts.is_empty() {
        at.field("hosts").error("the server has no hosts", "add one, `*` for all");
    }
    let hosts = at.field("hosts").each(&given.hosts, |text, at| server_host(text, at));
    let tls = given.tls.as_ref().map(|tls| server_tls(tls, &at.field("tls")));
    let Some(wanted) = &given.port else {
        at.field("port").error("the server has no port", "set number, protocol and name");
        return None;
    };
    let port = server_port(wanted, &given.bind, &at.field("port"));
    check_bind(&given.bind, wanted.number, &at.field("bind"));
    if let Some(port) = &port {
        check_tls(port.protocol, given.tls.as_ref(), at);
    }
    Some(Server { port: port?, bind: said(&given.bind), hosts, name: given.name.clone(), tls })
}

fn server_host(text: &str, at: &At<'_>) -> Option<ServerHost> {
    let (scope, name) = text.split_once('/').unwrap_or(("*", text));
    let scope = match scope {
        "*" => ServerHostScope::Any,
        "." => ServerHostScope::Namespace(at.namespace().clone()),
        namespace => {
            dns_label(namespace, "namespace", at);
            ServerHostScope::Namespace(namespace.into())
        }
    };
    Some(ServerHost { scope, host: host(name, at)? })
}

fn server_port(given: &api::ServerPort, bind: &str, at: &At<'_>) -> Option<ServerPort> {
    if given.name.is_empty() {
        at.field("name").error("the port has no name", "give it one, such as http");
    }
    if given.target_port != 0 {
        at.field("targetPort").error("a Gateway has no target ports", "set the target port in the gateway's Service");
    }
    let number = if given.number == 0 && bind.starts_with(UNIX) {
        Some(0)
    } else {
        port(given.number, &at.field("number")).map(u16::from)
    };
    let protocol = protocol(&given.protocol, false, &at.field("protocol"));
    Some(ServerPort { number: number?, protocol: protocol?, name: given.name.clone() })
}

/// A protocol by its word; nothing said is found out from the first bytes where that is allowed.
pub(super) fn protocol(word: &str, may_be_silent: bool, at: &At<'_>) -> Option<Protocol> {
    if word.is_empty() && may_be_silent {
        return Some(Protocol::Auto);
    }
    let found = Protocol::parse(word).filter(|p| *p != Protocol::Udp || may_be_silent);
    if found.is_none() {
        at.error(
            format!("`{word}` is no protocol of a port"),
            "write HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TCP, TLS, MONGO, REDIS or MYSQL",
        );
    }
    found
}

/// Refuses an address that is none, and a number together with a path.
pub(super) fn check_bind(bind: &str, number: u32, at: &At<'_>) {
    if let Some(path) = bind.strip_prefix(UNIX) {
        unix_path(path, at);
        if number != 0 {
            at.error("a unix socket has no port number", "set the number to 0, or bind to an address");
        }
    } else if !bind.is_empty() && bind.parse::<IpAddr>().is_err() {
        at.error(format!("`{bind}` is no address"), "write an IP address, or unix:///path/to/socket");
    }
}

fn check_tls(protocol: Protocol, tls: Option<&api::ServerTlsSettings>, at: &At<'_>) {
    let Some(tls) = tls else {
        if protocol.is_tls() {
            at.field("tls").error(format!("a {protocol} port needs TLS settings"), "add tls with a mode");
        }
        return;
    };
    let at = &at.field("tls");
    let opens = !matches!(tls.mode, api::ServerTlsMode::Passthrough | api::ServerTlsMode::AutoPassthrough);
    let certificates = [&tls.ca_certificates, &tls.private_key, &tls.server_certificate];
    if protocol.is_http() && (opens || certificates.iter().any(|c| !c.is_empty())) {
        at.error(
            format!("a {protocol} port is plaintext, it can only redirect to https"),
            "keep httpsRedirect alone, or set the protocol to HTTPS",
        );
    } else if !protocol.is_http() && !protocol.is_tls() {
        at.error(format!("a {protocol} port is plaintext"), "remove tls, or set the protocol to TLS");
    }
    if tls.https_redirect && !protocol.is_http() {
        at.field("httpsRedirect").warn(format!("a {protocol} port has nothing to redirect"), "move it to an HTTP port");
    }
}
