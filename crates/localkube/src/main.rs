//! The `localkube` program: see `localkube --help`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use localkube::{
    life::{apply, daemon, down, instance::Name, kubeconfig, shell, status, up},
    net::{dns, echo},
    node::runtime::init,
};

/// A Kubernetes cluster on this machine: API, controllers, and nodes made of namespaces.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
struct Cli {
    /// Which instance; several live side by side.
    #[arg(long, global = true, default_value = "default", env = "LOCALKUBE_NAME")]
    name: Name,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the cluster (or find it running) and return when it is ready.
    Up(up::Args),
    /// End the cluster: every process, namespace and rule.
    Down,
    /// Say whether the cluster runs, where, and what is in it.
    Status,
    /// Print the path of the kubeconfig.
    Kubeconfig,
    /// Apply manifests, for machines without kubectl (server-side apply).
    Apply(apply::Args),
    /// Tell callers what reached this program: the echo of many samples.
    Echo(echo::Args),
    /// Run a shell or a command of this machine inside the network of a node or a pod.
    Sh(shell::Args),
    /// The process behind an instance.
    #[command(hide = true)]
    Run(daemon::Args),
    /// The cluster's DNS server, in its pod.
    #[command(hide = true)]
    Dns(dns::Args),
}

fn main() -> ExitCode {
    if init::is_asked_for() {
        init::main();
    }
    let Cli { name, command } = Cli::parse();
    let done = match command {
        Command::Up(args) => up::main(&name, &args),
        Command::Down => down::main(&name),
        Command::Status => status::main(&name),
        Command::Kubeconfig => kubeconfig::main(&name),
        Command::Apply(args) => apply::main(&name, &args),
        Command::Echo(args) => echo::main(&args),
        Command::Sh(args) => shell::main(&name, &args),
        Command::Run(args) => daemon::main(&name, args),
        Command::Dns(args) => dns::main(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "this is the command line's one place for errors")]
fn report(error: &anyhow::Error) {
    eprintln!("localkube: {error:#}");
}
