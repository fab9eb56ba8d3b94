//! By which port of the gateway each port of an entry goes out.

use std::collections::BTreeSet;

use mesh_types::Protocol;

use super::{Issues, Taken};
use crate::{
    config::{ServiceEntry, ServiceEntryPort},
    issue::FieldPath,
    registry::{Port, Service},
};

/// Where gateways answer the kubelet.
const STATUS: u16 = 15021;

/// How the gateway finds out for which host a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Each request says so.
    Http,
    /// The server name of TLS says so.
    Tls,
    /// Nothing says so: the port has to be the host's alone.
    Bytes,
}

/// A port of an entry, and where it leaves the mesh.
#[derive(Debug)]
pub(super) struct Door<'a> {
    pub(super) port: &'a ServiceEntryPort,
    pub(super) way: Way,
    /// Port of the gateway's Service. Absent: there is none, and nothing may pass.
    pub(super) gateway: Option<u16>,
}

impl Way {
    /// Every way that connections of a protocol may have to be led by.
    fn of(protocol: Protocol) -> &'static [Self] {
        match protocol {
            Protocol::Udp => &[],
            // Nobody knows beforehand; what is not declared is led by the gateway all the same.
            Protocol::Auto => &[Self::Http, Self::Bytes],
            p if p.is_http() => &[Self::Http],
            p if p.is_tls() => &[Self::Tls],
            _ => &[Self::Bytes],
        }
    }

    /// Whether a port of the gateway's Service is one for this.
    fn suits(self, port: &Port) -> bool {
        let auto = port.protocol == Protocol::Auto;
        let fits = match self {
            Self::Http => port.protocol.is_http() || auto && port.number != 443,
            Self::Tls => port.protocol.is_tls() || auto && port.number != 80,
            Self::Bytes => port.protocol.is_tcp() || auto,
        };
        fits && port.number != STATUS
    }

    /// Where it is served by custom.
    fn usual(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Tls => Some(443),
            Self::Bytes => None,
        }
    }
}

/// A door for each port, as far as the gateway has one.
pub(super) fn doors<'a>(
    spec: &'a ServiceEntry,
    gateway: &str,
    service: Option<&Service>,
    taken: &mut Taken,
    issues: &mut Issues<'_>,
) -> Vec<Door<'a>> {
    let mut used = BTreeSet::new();
    let mut doors = Vec::new();
    for (index, port) in spec.ports.iter().enumerate() {
        let at = FieldPath::from("spec.ports").index(index);
        match port.protocol {
            Protocol::Udp => issues.say(
                at.field("protocol"),
                "sidecars do not carry UDP; it leaves directly, as far as the network lets it",
                "remove the port, or forbid it with a NetworkPolicy",
            ),
            Protocol::Auto => issues.say(
                at.field("protocol"),
                "without a protocol the gateway cannot tell the host; calls of this port fail",
                "set the protocol: HTTP, TLS or TCP",
            ),
            _ => {}
        }
        for way in Way::of(port.protocol) {
            let service = service.filter(|_| port.protocol != Protocol::Auto);
            let found = service.map(|service| choose(*way, port, service, &used));
            let mut door = found.as_ref().and_then(|found| found.as_ref().ok().copied());
            if *way == Way::Bytes && door.is_some_and(|number| !taken.bytes.insert((gateway.to_owned(), number))) {
                door = None;
                issues.say(
                    at.field("number"),
                    format!("port {} of the gateway is an older ServiceEntry's, and bytes do not say where they go; calls fail", port.number),
                    "give one of the two another port, or another gateway",
                );
            }
            if let Some(Err(reason)) = found {
                issues.say(at.field("number"), reason, format!("add port {} to the Service `{gateway}`", port.number));
            }
            used.extend(door);
            doors.push(Door { port, way: *way, gateway: door });
        }
    }
    doors
}

/// The port of the same number, else the usual one, else any; each for one port of an entry only, for the gateway knows
/// the port that a client dialled by its own.
fn choose(way: Way, port: &ServiceEntryPort, service: &Service, used: &BTreeSet<u16>) -> Result<u16, String> {
    let number = port.number.get();
    let free: Vec<u16> = service.ports.iter().filter(|p| way.suits(p)).map(|p| p.number).collect();
    let free: Vec<u16> = free.into_iter().filter(|n| !used.contains(n)).collect();
    let same = free.iter().find(|n| **n == number);
    let usual = free.iter().find(|n| Some(**n) == way.usual());
    let any = free.first().filter(|_| way != Way::Bytes);
    same.or(usual).or(any).copied().ok_or_else(|| match way {
        Way::Bytes => format!("the gateway has no TCP port {number}, and bytes do not say where they go; calls fail"),
        Way::Http | Way::Tls => {
            format!("the gateway has no further port of {}; calls of port {number} fail", port.protocol)
        }
    })
}
