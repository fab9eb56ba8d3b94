//! One packet rule, and its one written form: the one that `iptables-save` prints.

use std::fmt;

use ipnet::IpNet;

/// A table of the packet filter. They are written in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Before connection tracking.
    Raw,
    /// Marks, and TPROXY.
    Mangle,
    /// Redirects.
    Nat,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Mangle, Self::Nat];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
        }
    }
}

/// A chain that rules stand in. Those named `ISTIO_` are ours alone; `PREROUTING` and `OUTPUT` are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Chain {
    Prerouting,
    Output,
    Inbound,
    Redirect,
    InRedirect,
    OutputOfPod,
    OutputDns,
    Drop,
    Divert,
    Tproxy,
}

/// How the names of our chains begin.
pub const OURS: &str = "ISTIO_";

impl Chain {
    /// Its name in the packet filter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Output => "OUTPUT",
            Self::Inbound => "ISTIO_INBOUND",
            Self::Redirect => "ISTIO_REDIRECT",
            Self::InRedirect => "ISTIO_IN_REDIRECT",
            Self::OutputOfPod => "ISTIO_OUTPUT",
            Self::OutputDns => "ISTIO_OUTPUT_DNS",
            Self::Drop => "ISTIO_DROP",
            Self::Divert => "ISTIO_DIVERT",
            Self::Tproxy => "ISTIO_TPROXY",
        }
    }

    /// Whether the kernel made it; others may have rules there too.
    pub fn built_in(self) -> bool {
        matches!(self, Self::Prerouting | Self::Output)
    }
}

/// Something to match, or to match all but.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Is<T> {
    not: bool,
    value: T,
}

/// A match on just this.
pub fn is<T>(value: T) -> Is<T> {
    Is { not: false, value }
}

/// A match on everything but this.
pub fn not<T>(value: T) -> Is<T> {
    Is { not: true, value }
}

impl<T> Is<T> {
    /// What it names, whichever way.
    pub fn value(&self) -> &T {
        &self.value
    }

    fn bang(&self) -> &'static str {
        if self.not { "! " } else { "" }
    }
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Transport {
    Tcp,
    Udp,
}

/// What a rule looks at, besides addresses, devices and protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The state of the connection, such as `RELATED,ESTABLISHED`.
    State(&'static str),
    /// The port it goes to: a port or `from:to`.
    To(Is<String>),
    /// The port it comes from.
    From(Is<String>),
    /// The port it goes to is (not) one of several.
    ToAny(Is<String>),
    /// The user whose socket it is: a number or `from-to`.
    User(Is<String>),
    /// The group whose socket it is.
    Group(Is<String>),
    /// The packet's mark.
    Mark(Is<u32>),
    /// The connection's mark.
    ConnMark(Is<u32>),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Leaves the chain.
    Return,
    /// Lets it pass.
    Accept,
    /// Throws it away.
    Drop,
    /// Goes on in another chain.
    Jump(Chain),
    /// Leads the connection to a port of this pod.
    Redirect(u16),
    /// Marks the packet.
    SetMark(u32),
    /// Marks the connection as the packet is.
    SaveMark,
    /// Marks the packet as the connection is.
    RestoreMark,
    /// Hands the packet to a local socket unchanged.
    Tproxy {
        /// The socket's port.
        port: u16,
        /// The packet's new mark.
        mark: u32,
    },
    /// Tracks the connection in a zone of its own.
    Zone(u8),
}

/// One rule: where it stands, what it matches, what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its table.
    pub table: Table,
    /// Its chain.
    pub chain: Chain,
    /// In a shared chain: before everything that others put there. It stands behind otherwise.
    pub first: bool,
    source: Option<Is<IpNet>>,
    destination: Option<Is<IpNet>>,
    input: Option<String>,
    output: Option<String>,
    transport: Option<Transport>,
    matches: Vec<Match>,
    target: Target,
}

impl Rule {
    /// A rule for every packet of a chain.
    pub fn new(table: Table, chain: Chain, target: Target) -> Self {
        Self {
            table,
            chain,
            first: false,
            source: None,
            destination: None,
            input: None,
            output: None,
            transport: None,
            matches: Vec::new(),
            target,
        }
    }

    /// Only packets from these addresses.
    pub fn source(mut self, net: Is<IpNet>) -> Self {
        self.source = Some(net);
        self
    }

    /// Only packets to these addresses.
    pub fn destination(mut self, net: Is<IpNet>) -> Self {
        self.destination = Some(net);
        self
    }

    /// Only packets that came in by this device.
    pub fn input(mut self, device: &str) -> Self {
        self.input = Some(device.to_owned());
        self
    }

    /// Only packets that go out by this device.
    pub fn output(mut self, device: &str) -> Self {
        self.output = Some(device.to_owned());
        self
    }

    /// Only TCP.
    pub fn tcp(mut self) -> Self {
        self.transport = Some(Transport::Tcp);
        self
    }

    /// Only UDP.
    pub fn udp(mut self) -> Self {
        self.transport = Some(Transport::Udp);
        self
    }

    /// Only this transport.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// One more match.
    pub fn when(mut self, condition: Match) -> Self {
        self.matches.push(condition);
        self
    }

    /// The rule, before all that others put into its (shared) chain.
    pub fn first(mut self) -> Self {
        self.first = true;
        self
    }

    /// The chain that it goes on in, if it does.
    pub fn jump(&self) -> Option<Chain> {
        match self.target {
            Target::Jump(chain) => Some(chain),
            _ => None,
        }
    }

    /// What comes after the chain's name, as `iptables-save` prints it.
    pub fn specification(&self) -> String {
        let mut text = String::new();
        // The whole address space is no match at all; it is not printed, so it is not written.
        let net = |flag: &str, net: &Option<Is<IpNet>>| match net {
            Some(net) if net.value.prefix_len() > 0 || net.not => {
                format!("{}{flag} {} ", net.bang(), address(&net.value.trunc()))
            }
            _ => String::new(),
        };
        text += &net("-s", &self.source);
        text += &net("-d", &self.destination);
        let flag =
            |name: &str, value: &Option<String>| value.as_ref().map(|v| format!("{name} {v} ")).unwrap_or_default();
        text += &flag("-i", &self.input);
        text += &flag("-o", &self.output);
        if let Some(transport) = self.transport {
            text += &format!("-p {transport} ");
        }
        for condition in &self.matches {
            text += &self.condition(condition);
        }
        text + "-j " + &self.verdict()
    }

    fn condition(&self, condition: &Match) -> String {
        let transport = self.transport.unwrap_or(Transport::Tcp);
        match condition {
            Match::State(states) => format!("-m conntrack --ctstate {states} "),
            Match::To(port) => format!("-m {transport} {}--dport {} ", port.bang(), port.value),
            Match::From(port) => format!("-m {transport} {}--sport {} ", port.bang(), port.value),
            Match::ToAny(ports) => format!("-m multiport {}--dports {} ", ports.bang(), ports.value),
            Match::User(user) => format!("-m owner {}--uid-owner {} ", user.bang(), user.value),
            Match::Group(group) => format!("-m owner {}--gid-owner {} ", group.bang(), group.value),
            Match::Mark(mark) => format!("-m mark {}--mark {:#x} ", mark.bang(), mark.value),
            Match::ConnMark(mark) => format!("-m connmark {}--mark {:#x} ", mark.bang(), mark.value),
        }
    }

    fn verdict(&self) -> String {
        match &self.target {
            Target::Return => "RETURN".to_owned(),
            Target::Accept => "ACCEPT".to_owned(),
            Target::Drop => "DROP".to_owned(),
            Target::Jump(chain) => chain.name().to_owned(),
            Target::Redirect(port) => format!("REDIRECT --to-ports {port}"),
            Target::SetMark(mark) => format!("MARK --set-xmark {mark:#x}/0xffffffff"),
            Target::SaveMark => "CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff".to_owned(),
            Target::RestoreMark => "CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff".to_owned(),
            Target::Tproxy { port, mark } => format!("TPROXY --on-port {port} --tproxy-mark {mark:#x}/0xffffffff"),
            Target::Zone(zone) => format!("CT --zone {zone}"),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-A {} {}", self.chain.name(), self.specification())
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// An address range as the packet filter's programs print it (always with its length).
fn address(net: &IpNet) -> String {
    format!("{}/{}", net.addr(), net.prefix_len())
}
