//! `cargo xtask bench`: measurements with limits.

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};
use xshell::{Shell, cmd};

use crate::{
    build::{self, cargo},
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

/// What is measured, its program, and the programs that this runs.
const SUBJECTS: &[(What, &str, &[&str])] = &[
    (What::Cluster, "bench-cluster", &["localkube"]),
    (What::Bookinfo, "bench-bookinfo", &["details", "ratings", "reviews"]),
    (What::Proxy, "bench-proxy", &["lateen-galley", "lateen-pilot", "lateen-proxy"]),
];

/// Measures what is shipped, at full size.
pub(crate) fn run(sh: &Shell, args: &Bench) -> Result<()> {
    let wanted = |what: What| args.what.is_none_or(|wanted| wanted == what);
    let subjects: Vec<_> = SUBJECTS.iter().filter(|(what, ..)| wanted(*what)).collect();
    if !subjects.is_empty() {
        let programs: Vec<&str> = subjects
            .iter()
            .flat_map(|(_, program, others)| [*program].into_iter().chain(others.iter().copied()))
            .collect();
        measure(sh, &subjects, &build::shipped(sh, &programs)?, &[])?;
    }
    if wanted(What::Micro) {
        let cargo = cargo();
        cmd!(sh, "{cargo} bench --locked --package mesh-snapshot --bench decisions").run()?;
    }
    Ok(())
}

/// The form of less than a minute that `cargo xtask test` runs: the build that is there, smaller sizes.
pub(crate) fn run_short(sh: &Shell) -> Result<()> {
    measure(sh, &SUBJECTS.iter().collect::<Vec<_>>(), &build::workspace(sh)?, &["--short"])
}

fn measure(sh: &Shell, subjects: &[&(What, &str, &[&str])], programs: &Path, options: &[&str]) -> Result<()> {
    packages::ensure(sh, &[packages::CLUSTER, packages::BENCH].concat())?;
    for (what, program, _) in subjects {
        let program = programs.join(program);
        // A thousand watchers are a thousand connections, and as many again on the server's side.
        let run = cmd!(sh, "prlimit --nofile=16384: {program} {options...}");
        let run = if *what == What::Proxy { run.env("LATEEN_ENVOY", envoy::program(sh)?) } else { run };
        run.run()?;
    }
    Ok(())
}
