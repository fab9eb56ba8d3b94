//! `cargo xtask bench`: measurements with limits.

use anyhow::Result;
use clap::{Args, ValueEnum};
use xshell::{Shell, cmd};

use crate::{
    build::{self, Profile},
    packages,
};

/// Options of `cargo xtask bench`.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// What to measure; everything by default.
    #[arg(value_enum)]
    what: Option<What>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// The embedded cluster.
    Cluster,
    /// The sample's leaf services.
    Bookinfo,
}

/// Measures the release build at full size.
pub(crate) fn run(sh: &Shell, args: &Bench) -> Result<()> {
    measure(sh, args.what, Profile::Release, &[])
}

/// The form of less than a minute that `cargo xtask test` runs: the build that is there, smaller sizes.
pub(crate) fn run_short(sh: &Shell) -> Result<()> {
    measure(sh, None, Profile::Dev, &["--short"])
}

fn measure(sh: &Shell, what: Option<What>, profile: Profile, options: &[&str]) -> Result<()> {
    packages::ensure(sh, &[packages::CLUSTER, packages::BENCH].concat())?;
    let programs = build::workspace(sh, profile)?;
    for (subject, program) in [(What::Cluster, "bench-cluster"), (What::Bookinfo, "bench-bookinfo")] {
        if what.is_none_or(|w| w == subject) {
            let program = programs.join(program);
            // A thousand watchers are a thousand connections, and as many again on the server's side.
            cmd!(sh, "prlimit --nofile=16384: {program} {options...}").run()?;
        }
    }
    Ok(())
}
