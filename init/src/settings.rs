//! What the flags mean: typed, checked once, and then believed.

use std::{net::IpAddr, time::Duration};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::flags::Flags;

/// Why flags were not understood. Whose fault: the caller's (the injector, or an annotation of the pod).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFlag {
    /// Not `REDIRECT` or `TPROXY`.
    #[error("--istio-inbound-interception-mode: \"{0}\" is neither REDIRECT nor TPROXY")]
    Mode(String),
    /// Not a port or a range of ports.
    #[error("--{flag}: \"{value}\" is not a port (1-65535) or a range of ports (from:to)")]
    Port {
        /// The flag.
        flag: &'static str,
        /// The text.
        value: String,
    },
    /// Not an address range.
    #[error("--{flag}: \"{value}\" is not an address range such as 10.0.0.0/8")]
    Range {
        /// The flag.
        flag: &'static str,
        /// The text.
        value: String,
    },
    /// `*` where that would mean nothing is captured.
    #[error("--{flag}: \"*\" is not allowed here; leave --istio-service-cidr empty to capture nothing")]
    Everything {
        /// The flag.
        flag: &'static str,
    },
    /// Not a user or group.
    #[error("--{flag}: \"{value}\" is neither a number nor a name that this container knows")]
    Owner {
        /// The flag.
        flag: &'static str,
        /// The text.
        value: String,
    },
    /// Not a device name.
    #[error("--{flag}: \"{value}\" is not the name of a network device")]
    Device {
        /// The flag.
        flag: &'static str,
        /// The text.
        value: String,
    },
    /// Not a duration.
    #[error("--probe-timeout: \"{0}\" is not a duration such as 5s or 500ms")]
    Duration(String),
    /// A mark of 0 matches packets that nobody marked.
    #[error("--istio-inbound-tproxy-mark: the mark must lie between 1 and 4294967294")]
    Mark,
}

/// How incoming connections are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By changing their destination.
    Redirect,
    /// By handing them over unchanged; source addresses stay.
    Tproxy,
}

/// Which incoming connections are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// None.
    Nothing,
    /// All but those to some ports.
    AllBut(Vec<String>),
    /// Those to some ports.
    Only(Vec<String>),
}

/// A set of destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// Every one.
    All,
    /// These; may be empty.
    Some(Vec<IpNet>),
}

/// Whose connections are taken, by group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// All but some.
    AllBut(Vec<String>),
    /// Only some.
    Only(Vec<String>),
}

/// Which DNS questions are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dns {
    /// None.
    Off,
    /// Those to these servers.
    Servers(Vec<IpAddr>),
    /// All.
    All,
}

/// Everything that the plan is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where outgoing connections go.
    pub outbound_port: u16,
    /// Where incoming connections go.
    pub inbound_port: u16,
    /// Never captured.
    pub tunnel_port: u16,
    /// The proxy's users.
    pub users: Vec<String>,
    /// The proxy's groups.
    pub groups: Vec<String>,
    /// How incoming connections are taken.
    pub mode: Mode,
    /// Which incoming connections are taken.
    pub inbound: Inbound,
    /// Which destinations are captured.
    pub outbound: Ranges,
    /// Which are not, before all else.
    pub outbound_except: Vec<IpNet>,
    /// Outgoing ports that are captured whatever their address.
    pub outbound_ports: Vec<String>,
    /// Outgoing ports that are left alone.
    pub outbound_ports_except: Vec<String>,
    /// Devices that are left alone.
    pub devices_except: Vec<String>,
    /// Devices of virtual machines.
    pub machine_devices: Vec<String>,
    /// TPROXY: the mark of captured packets; the next number marks the proxy's calls to its own pod.
    pub mark: u32,
    /// TPROXY: the routing table of captured packets.
    pub route_table: u32,
    /// Which DNS questions are taken.
    pub dns: Dns,
    /// Whether invalid packets are dropped.
    pub drop_invalid: bool,
    /// Whose connections are taken.
    pub owners: Groups,
    /// What counts as the pod talking to itself (IPv4).
    pub loopback: Ipv4Net,
    /// The same (IPv6).
    pub loopback6: Ipv6Net,
    /// Whether there are IPv6 rules.
    pub ipv6: bool,
    /// The port that the check connects to.
    pub probe_port: u16,
    /// How long the check waits.
    pub probe_timeout: Duration,
}

/// What the flags do not say and the pod knows.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The servers of `/etc/resolv.conf`.
    pub nameservers: &'a [IpAddr],
    /// Whether the pod has an IPv6 address that others can reach.
    pub ipv6: bool,
    /// The number of a user by name.
    pub user: fn(&str) -> Option<u32>,
    /// The number of a group by name.
    pub group: fn(&str) -> Option<u32>,
}

impl Settings {
    /// Reads the flags. Where it runs adds what flags cannot say.
    pub fn parse(flags: &Flags, here: Surroundings<'_>) -> Result<Self, BadFlag> {
        let users = owners("proxy-uid", &flags.proxy_uid, here.user)?;
        let groups = match owners("proxy-gid", &flags.proxy_gid, here.group)? {
            groups if groups.is_empty() => users.clone(),
            groups => groups,
        };
        let outbound_except = match ranges("istio-service-exclude-cidr", &flags.istio_service_exclude_cidr)? {
            Ranges::All => return Err(BadFlag::Everything { flag: "istio-service-exclude-cidr" }),
            Ranges::Some(ranges) => ranges,
        };
        if flags.istio_inbound_tproxy_mark == 0 || flags.istio_inbound_tproxy_mark == u32::MAX {
            return Err(BadFlag::Mark);
        }
        Ok(Self {
            outbound_port: whole("envoy-port", flags.envoy_port)?,
            inbound_port: whole("inbound-capture-port", flags.inbound_capture_port)?,
            tunnel_port: whole("inbound-tunnel-port", flags.inbound_tunnel_port)?,
            users,
            groups,
            mode: mode(&flags.istio_inbound_interception_mode)?,
            inbound: inbound(flags)?,
            outbound: ranges("istio-service-cidr", &flags.istio_service_cidr)?,
            outbound_except,
            outbound_ports: ports("istio-outbound-ports", &flags.istio_outbound_ports)?,
            outbound_ports_except: ports(
                "istio-local-outbound-ports-exclude",
                &flags.istio_local_outbound_ports_exclude,
            )?,
            devices_except: devices("istio-exclude-interfaces", &flags.istio_exclude_interfaces)?,
            machine_devices: devices("kube-virt-interfaces", &flags.kube_virt_interfaces)?,
            mark: flags.istio_inbound_tproxy_mark,
            route_table: flags.istio_inbound_tproxy_route_table,
            dns: dns(flags, here.nameservers),
            drop_invalid: flags.drop_invalid,
            owners: owner_groups(flags, here.group)?,
            loopback: loopback(&flags.host_ipv4_loopback_cidr)?,
            loopback6: Ipv6Net::from(std::net::Ipv6Addr::LOCALHOST),
            ipv6: here.ipv6 || flags.dual_stack,
            probe_port: whole("iptables-probe-port", flags.iptables_probe_port)?,
            probe_timeout: duration(&flags.probe_timeout)?,
        })
    }

    /// Whether a captured range lies on the pod's own loopback: then the pod talking to itself is captured too.
    pub fn captures_loopback(&self) -> bool {
        match &self.outbound {
            Ranges::All => false,
            Ranges::Some(ranges) => ranges.iter().any(|net| net.addr().is_loopback()),
        }
    }
}

/// The parts of a comma list.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn mode(text: &str) -> Result<Mode, BadFlag> {
    match text {
        "REDIRECT" | "" => Ok(Mode::Redirect),
        "TPROXY" => Ok(Mode::Tproxy),
        other => Err(BadFlag::Mode(other.to_owned())),
    }
}

fn inbound(flags: &Flags) -> Result<Inbound, BadFlag> {
    // Read also where it does not count, so that nonsense is never accepted in silence.
    let except = ports("istio-local-exclude-ports", &flags.istio_local_exclude_ports)?;
    match flags.istio_inbound_ports.trim() {
        "" => Ok(Inbound::Nothing),
        "*" => Ok(Inbound::AllBut(except)),
        list => Ok(Inbound::Only(ports("istio-inbound-ports", list)?)),
    }
}

fn dns(flags: &Flags, nameservers: &[IpAddr]) -> Dns {
    match (flags.redirect_dns, flags.capture_all_dns) {
        (false, _) => Dns::Off,
        (true, true) => Dns::All,
        (true, false) if nameservers.is_empty() => Dns::Off,
        (true, false) => Dns::Servers(nameservers.to_vec()),
    }
}

fn owner_groups(flags: &Flags, number: fn(&str) -> Option<u32>) -> Result<Groups, BadFlag> {
    match flags.outbound_owner_groups.trim() {
        "*" | "" => {
            let except = owners("outbound-owner-groups-exclude", &flags.outbound_owner_groups_exclude, number)?;
            Ok(Groups::AllBut(except))
        }
        list => Ok(Groups::Only(owners("outbound-owner-groups", list, number)?)),
    }
}

fn whole(flag: &'static str, port: u16) -> Result<u16, BadFlag> {
    if port == 0 { Err(BadFlag::Port { flag, value: "0".to_owned() }) } else { Ok(port) }
}

fn ports(flag: &'static str, list: &str) -> Result<Vec<String>, BadFlag> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let port = |part: &str| match part.split_once(':') {
        None => number(part).map(|port| port.to_string()),
        Some((from, to)) => match (number(from), number(to)) {
            (Some(from), Some(to)) if from < to => Some(format!("{from}:{to}")),
            _ => None,
        },
    };
    parts(list).map(|part| port(part).ok_or_else(|| BadFlag::Port { flag, value: part.to_owned() })).collect()
}

fn ranges(flag: &'static str, list: &str) -> Result<Ranges, BadFlag> {
    if list.trim() == "*" {
        return Ok(Ranges::All);
    }
    let range = |part: &str| {
        let bare = || part.parse::<IpAddr>().map(IpNet::from).ok();
        let range = part.parse::<IpNet>().ok().or_else(bare);
        range.map(|net| net.trunc()).ok_or_else(|| BadFlag::Range { flag, value: part.to_owned() })
    };
    parts(list).map(range).collect::<Result<_, _>>().map(Ranges::Some)
}

fn loopback(text: &str) -> Result<Ipv4Net, BadFlag> {
    let net = text.parse::<Ipv4Net>().map(|net| net.trunc());
    net.map_err(|_| BadFlag::Range { flag: "host-ipv4-loopback-cidr", value: text.to_owned() })
}

/// Users or groups as numbers, or ranges of numbers (`from-to`), as the packet filter prints them.
fn owners(flag: &'static str, list: &str, number: fn(&str) -> Option<u32>) -> Result<Vec<String>, BadFlag> {
    let numeric = |part: &str| match part.split_once('-') {
        None => part.parse::<u32>().ok().map(|id| id.to_string()),
        Some((from, to)) => match (from.parse::<u32>(), to.parse::<u32>()) {
            (Ok(from), Ok(to)) if from < to => Some(format!("{from}-{to}")),
            _ => None,
        },
    };
    let owner = |part: &str| numeric(part).or_else(|| number(part).map(|id| id.to_string()));
    parts(list).map(|part| owner(part).ok_or_else(|| BadFlag::Owner { flag, value: part.to_owned() })).collect()
}

/// Names of network devices; a `+` at the end stands for any rest.
fn devices(flag: &'static str, list: &str) -> Result<Vec<String>, BadFlag> {
    let fits = |name: &str| {
        let stem = name.strip_suffix('+').unwrap_or(name);
        (1..=15).contains(&name.len())
            && stem.starts_with(|c: char| c.is_ascii_alphanumeric())
            && stem.chars().all(|c| c.is_ascii_alphanumeric() || "-_.@".contains(c))
    };
    let device = |part: &str| if fits(part) { Some(part.to_owned()) } else { None };
    parts(list).map(|part| device(part).ok_or_else(|| BadFlag::Device { flag, value: part.to_owned() })).collect()
}

fn duration(text: &str) -> Result<Duration, BadFlag> {
    let wrong = || BadFlag::Duration(text.to_owned());
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
