//! `cargo xtask bench`: measurements with limits.

use anyhow::Result;
use clap::{Args, ValueEnum};
use xshell::{Shell, cmd};

use crate::{
    build::{self, Profile, cargo},
    envoy, packages,
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
    /// One hop through the proxy, beside stock Envoy and bare hyper.
    Proxy,
    /// Single decisions of the data plane, with criterion.
    Micro,
}

/// Measures the release build at full size.
pub(crate) fn run(sh: &Shell, args: &Bench) -> Result<()> {
    if args.what != Some(What::Micro) {
        measure(sh, args.what, Profile::Release, &[])?;
    }
    if args.what.is_none_or(|what| what == What::Micro) {
        let cargo = cargo();
        cmd!(sh, "{cargo} bench --locked --package mesh-snapshot --bench decisions").run()?;
    }
    Ok(())
}

/// The form of less than a minute that `cargo xtask test` runs: the build that is there, smaller sizes.
pub(crate) fn run_short(sh: &Shell) -> Result<()> {
    measure(sh, None, Profile::Dev, &["--short"])
}

fn measure(sh: &Shell, what: Option<What>, profile: Profile, options: &[&str]) -> Result<()> {
    packages::ensure(sh, &[packages::CLUSTER, packages::BENCH].concat())?;
    let programs = build::workspace(sh, profile)?;
    let subjects = [(What::Cluster, "bench-cluster"), (What::Bookinfo, "bench-bookinfo"), (What::Proxy, "bench-proxy")];
    for (subject, program) in subjects {
        if what.is_none_or(|w| w == subject) {
            let program = programs.join(program);
            // A thousand watchers are a thousand connections, and as many again on the server's side.
            let run = cmd!(sh, "prlimit --nofile=16384: {program} {options...}");
            let run = if subject == What::Proxy { run.env("LATEEN_ENVOY", envoy::program(sh)?) } else { run };
            run.run()?;
        }
    }
    Ok(())
}
