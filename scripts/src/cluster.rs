//! `cargo xtask cluster`: an embedded cluster to work on, without the demo in it.

use anyhow::Result;
use clap::{Args, Subcommand};
use xshell::Shell;

use crate::{build, localkube::Localkube, packages};

/// Options of `cargo xtask cluster`.
#[derive(Args, Debug)]
pub(crate) struct Cluster {
    /// Which instance; several live side by side.
    #[arg(long, global = true, default_value = "default")]
    name: String,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Start it, or find it running; return when it is ready.
    Up {
        /// Further options of `localkube up`, after `--`.
        #[arg(last = true)]
        more: Vec<String>,
    },
    /// End it with all that belongs to it.
    Down,
    /// Say whether it runs and what is in it.
    Status,
    /// Print the path of its kubeconfig.
    Kubeconfig,
}

/// Runs one verb.
pub(crate) fn run(sh: &Shell, args: &Cluster) -> Result<()> {
    if matches!(args.verb, Verb::Up { .. }) {
        packages::ensure(sh, packages::CLUSTER)?;
    }
    let cluster = Localkube::new(&build::workspace(sh)?, &args.name);
    match &args.verb {
        Verb::Up { more } => cluster.up(sh, more)?,
        Verb::Down => cluster.down(sh)?,
        Verb::Status => print!("{}", cluster.status(sh)?),
        Verb::Kubeconfig => println!("{}", cluster.kubeconfig(sh)?),
    }
    Ok(())
}
