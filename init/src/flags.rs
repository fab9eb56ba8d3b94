//! The command line, as Istio's `istio-iptables` has it.

use clap::{ArgAction::Set, Args, Parser, Subcommand, builder::BoolishValueParser};

/// `lateen-init`: leads a pod's connections through its proxy.
#[derive(Debug, Parser)]
#[command(name = "lateen-init", version, about = "Leads a pod's connections through its proxy")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `lateen-init` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Set up (or take away) the packet rules of a pod
    #[command(name = "istio-iptables", args_override_self = true)]
    Iptables(Box<Flags>),
}

/// Flags of `istio-iptables`; names, short names, environment variables and defaults are Istio 1.25's.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Flags {
    /// Where captured outgoing connections go
    #[arg(short = 'p', long, env = "ENVOY_PORT", default_value = "15001")]
    pub envoy_port: u16,
    /// Where captured incoming connections go
    #[arg(short = 'z', long, env = "INBOUND_CAPTURE_PORT", default_value = "15006")]
    pub inbound_capture_port: u16,
    /// The port of tunnels, never captured
    #[arg(short = 'e', long, default_value = "15008")]
    pub inbound_tunnel_port: u16,
    /// Users whose connections are the proxy's own (comma list)
    #[arg(short = 'u', long, env = "PROXY_UID", default_value = "1337")]
    pub proxy_uid: String,
    /// Groups whose connections are the proxy's own (comma list); the users' numbers by default
    #[arg(short = 'g', long, env = "PROXY_GID", default_value = "")]
    pub proxy_gid: String,
    /// REDIRECT or TPROXY
    #[arg(short = 'm', long, env = "ISTIO_INBOUND_INTERCEPTION_MODE", default_value = "REDIRECT")]
    pub istio_inbound_interception_mode: String,
    /// Incoming ports to capture: `*`, a comma list, or nothing
    #[arg(short = 'b', long, env = "ISTIO_INBOUND_PORTS", default_value = "")]
    pub istio_inbound_ports: String,
    /// Incoming ports to leave alone; counts only with `-b *`
    #[arg(short = 'd', long, env = "ISTIO_LOCAL_EXCLUDE_PORTS", default_value = "")]
    pub istio_local_exclude_ports: String,
    /// Destinations to capture: `*`, a comma list of address ranges, or nothing
    #[arg(short = 'i', long, env = "ISTIO_SERVICE_CIDR", default_value = "")]
    pub istio_service_cidr: String,
    /// Destinations to leave alone (address ranges)
    #[arg(short = 'x', long, env = "ISTIO_SERVICE_EXCLUDE_CIDR", default_value = "")]
    pub istio_service_exclude_cidr: String,
    /// Outgoing ports to capture whatever their address
    #[arg(short = 'q', long, env = "ISTIO_OUTBOUND_PORTS", default_value = "")]
    pub istio_outbound_ports: String,
    /// Outgoing ports to leave alone
    #[arg(short = 'o', long, env = "ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE", default_value = "")]
    pub istio_local_outbound_ports_exclude: String,
    /// Network devices to leave alone
    #[arg(short = 'c', long, env = "ISTIO_EXCLUDE_INTERFACES", default_value = "")]
    pub istio_exclude_interfaces: String,
    /// Network devices of virtual machines: what comes in there counts as outgoing
    #[arg(short = 'k', long, env = "KUBE_VIRT_INTERFACES", default_value = "")]
    pub kube_virt_interfaces: String,
    /// TPROXY: the mark of captured packets
    #[arg(short = 't', long, env = "ISTIO_INBOUND_TPROXY_MARK", default_value = "1337")]
    pub istio_inbound_tproxy_mark: u32,
    /// TPROXY: the routing table of captured packets
    #[arg(short = 'r', long, env = "ISTIO_INBOUND_TPROXY_ROUTE_TABLE", default_value = "133")]
    pub istio_inbound_tproxy_route_table: u32,
    /// Capture DNS questions to the servers of /etc/resolv.conf
    #[arg(long, env = "ISTIO_META_DNS_CAPTURE", action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub redirect_dns: bool,
    /// Capture DNS questions to every server
    #[arg(long, env = "CAPTURE_ALL_DNS", action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub capture_all_dns: bool,
    /// Drop packets that connection tracking calls invalid
    #[arg(long, env = "INVALID_DROP", action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub drop_invalid: bool,
    /// Write IPv6 rules also when the pod has no IPv6 address yet
    #[arg(long, env = "DUAL_STACK", action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub dual_stack: bool,
    /// Print the rules, change nothing
    #[arg(short = 'n', long, env = "DRY_RUN", action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub dry_run: bool,
    /// Write no rules (another program did)
    #[arg(long, action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub skip_rule_apply: bool,
    /// Make a connection and see that it is captured; exit code 126 when it is not
    #[arg(long, action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub run_validation: bool,
    /// The port that `--run-validation` connects to
    #[arg(long, default_value = "15002")]
    pub iptables_probe_port: u16,
    /// How long `--run-validation` waits, such as 5s
    #[arg(long, default_value = "5s")]
    pub probe_timeout: String,
    /// Take the rules away
    #[arg(long, action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub cleanup_only: bool,
    /// Write the rules again even if they are all there
    #[arg(long, action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub force_apply: bool,
    /// Replace rules of an earlier run (always done; taken for compatibility)
    #[arg(long, action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no())]
    pub reconcile: bool,
    /// Work in this network namespace (a path)
    #[arg(long, env = "NETWORK_NAMESPACE", default_value = "")]
    pub network_namespace: String,
    /// Run by a network plugin on the node: needs --network-namespace
    #[arg(long, env = "CNI_MODE", action = Set, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = yes_or_no(), requires = "network_namespace")]
    pub cni_mode: bool,
    /// Groups whose connections are captured: `*` or a comma list
    #[arg(long, env = "ISTIO_OUTBOUND_OWNER_GROUPS", default_value = "*")]
    pub outbound_owner_groups: String,
    /// Groups whose connections are left alone
    #[arg(long, env = "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", default_value = "")]
    pub outbound_owner_groups_exclude: String,
    /// What counts as the pod talking to itself
    #[arg(long, env = "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", default_value = "127.0.0.1/32")]
    pub host_ipv4_loopback_cidr: String,
    /// How much to say, such as default:info; `none` or `error` says only what fails
    #[arg(long = "log_output_level", default_value = "default:info")]
    pub log_output_level: String,
}

impl Flags {
    /// Whether to say what is done, not only what fails.
    pub fn talkative(&self) -> bool {
        let level = self.log_output_level.rsplit(':').next().unwrap_or_default();
        !matches!(level, "none" | "error" | "fatal" | "warn")
    }
}

/// A switch can be written `--x`, `--x=true` and `--x=false`, as Istio's command line takes it.
fn yes_or_no() -> BoolishValueParser {
    BoolishValueParser::new()
}
