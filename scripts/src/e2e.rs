//! `cargo xtask e2e`: the promises, on an instance of their own that is gone afterwards, or on a cluster that is there.

mod kind;

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use xshell::{Shell, cmd};

use crate::{
    build::{self, cargo},
    localkube::Localkube,
    mesh::{self, DataPlane},
    packages,
};

/// Instances of this task begin with this; the process that made them follows.
const PREFIX: &str = "e2e-";

/// The promises that tell of the mesh alone, and need nothing of localkube's own.
const OF_THE_MESH: &[&str] =
    &["hops", "injection", "journeys", "no_request_lost", "protocols", "refusals", "weighted_routing"];

/// The promises by which stock Envoy judges the control plane.
const OF_THE_CONTROL_PLANE: &[&str] =
    &["explain", "injection", "journeys", "no_request_lost", "protocols", "refusals", "weighted_routing"];

/// The journeys of users, from the first step to the last, with what they look at on the way: an injected pod, and what
/// `lateenctl explain` says.
const JOURNEYS: &[&str] = &["explain", "injection", "journeys", "mesh_policy"];

/// A host beyond the cluster that a journey's author made up.
const OUTSIDE_HOST: &str = "api.external.com";

/// What is installed: the promises of gateways need them.
const PROFILE: &str = "demo";

/// Where the promises are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// An instance of localkube.
    #[default]
    Localkube,
    /// The current context of KUBECONFIG. The mesh is installed there unless it is, and stays; only its own promises are
    /// tried. The nodes must know the images `lateen/*`.
    Current,
    /// A cluster of kind, made unless it is there; it gets the images of `cargo xtask images`, and stays.
    Kind,
}

/// Options of `cargo xtask e2e`.
#[derive(Args, Debug, Default)]
pub(crate) struct E2e {
    /// Only `journeys`, or tests whose name contains this.
    what: Option<String>,
    /// Where to try them.
    #[arg(long, value_enum, default_value_t)]
    cluster: Stage,
    /// Also run what takes longer than a minute by nature.
    #[arg(long)]
    long: bool,
    /// What runs beside the applications.
    #[arg(long, value_enum, default_value_t)]
    data_plane: DataPlane,
    /// Only tests whose name contains this.
    #[arg(long, conflicts_with = "what")]
    filter: Option<String>,
    /// Only these files of tests; empty: all.
    #[arg(skip)]
    only: &'static [&'static str],
}

impl E2e {
    /// Those that judge the control plane, with stock Envoy beside the applications.
    pub(crate) fn by_envoy() -> Self {
        Self { data_plane: DataPlane::Envoy, only: OF_THE_CONTROL_PLANE, ..Self::default() }
    }

    /// The files of tests that are chosen (none: all), and what tests' names must contain.
    fn choice(&self) -> (&'static [&'static str], Option<&str>) {
        match self.what.as_deref() {
            Some("journeys") => (JOURNEYS, None),
            what => (self.only, what.or(self.filter.as_deref())),
        }
    }
}

/// Runs the suite.
pub(crate) fn run(sh: &Shell, args: &E2e) -> Result<()> {
    match args.cluster {
        Stage::Localkube => on_localkube(sh, args),
        Stage::Current => on_foreign(sh, args, &current()?),
        Stage::Kind => on_foreign(sh, args, &kind::bring(sh)?),
    }
}

/// Starts an instance with the mesh on it, runs the suite, ends it, and looks for what was left behind.
fn on_localkube(sh: &Shell, args: &E2e) -> Result<()> {
    packages::ensure(sh, &[packages::CLUSTER, packages::E2E].concat())?;
    let programs = build::workspace(sh)?;
    let cluster = Localkube::new(&programs, &format!("{PREFIX}{}", std::process::id()));
    cluster.sweep(sh, PREFIX)?;
    let own = ["--quiet", "--outside-host", OUTSIDE_HOST].map(str::to_owned);
    let options = [own.to_vec(), args.data_plane.options(sh)?].concat();
    let tested = cluster.up(sh, &options).and_then(|()| {
        let kubeconfig = cluster.kubeconfig(sh)?;
        mesh::install(sh, &programs, &kubeconfig, args.data_plane, PROFILE)?;
        let own = [
            ("LOCALKUBE_NAME", cluster.name().to_owned()),
            ("LOCALKUBE_PROGRAM", cluster.program().display().to_string()),
        ];
        suite(sh, args, kubeconfig, &own)
    });
    let down = cluster.down(sh);
    tested?;
    down?;
    cluster.check_gone()
}

/// The kubeconfig that kubectl would take.
fn current() -> Result<PathBuf> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".kube/config"));
    env::var_os("KUBECONFIG").map(PathBuf::from).or_else(home).context("KUBECONFIG is not set")
}

/// Installs the mesh where there is none, and runs its promises.
fn on_foreign(sh: &Shell, args: &E2e, kubeconfig: &Path) -> Result<()> {
    let programs = build::workspace(sh)?;
    let kubeconfig = kubeconfig.display().to_string();
    if !mesh::is_installed(sh, &kubeconfig) {
        mesh::install(sh, &programs, &kubeconfig, args.data_plane, PROFILE)?;
    }
    let args = if args.what.is_none() {
        &E2e { only: OF_THE_MESH, what: None, filter: args.filter.clone(), ..*args }
    } else {
        args
    };
    suite(sh, args, kubeconfig, &[])
}

fn suite(sh: &Shell, args: &E2e, kubeconfig: String, more: &[(&str, String)]) -> Result<()> {
    let cargo = cargo();
    let environment = [
        ("LOCALKUBE_KUBECONFIG", kubeconfig),
        ("LATEEN_E2E_LONG", args.long.to_string()),
        ("LATEEN_DATA_PLANE", args.data_plane.name().to_owned()),
        // A promise that is broken is told by its causes; a backtrace would bury them.
        ("RUST_LIB_BACKTRACE", "0".to_owned()),
    ];
    let (only, filter) = args.choice();
    // The whole workspace is selected, as in the build, and narrowed by filter: see `build::workspace`.
    let run = if packages::is_installed("cargo-nextest") {
        let which = nextest_filter(only);
        cmd!(sh, "{cargo} nextest run --workspace --all-targets --locked -E {which} {filter...}")
    } else {
        let which = if only.is_empty() { &["*"] } else { only };
        let which = which.iter().flat_map(|file| ["--test", file]);
        cmd!(sh, "{cargo} test --workspace --locked {which...} -- {filter...}")
    };
    Ok(run.envs(environment).envs(more.iter().cloned()).run()?)
}

/// The promises of these files; of all, when none is named.
fn nextest_filter(only: &[&str]) -> String {
    let files: Vec<String> = only.iter().map(|file| format!("binary(={file})")).collect();
    if files.is_empty() { "package(e2e)".to_owned() } else { format!("package(e2e) and ({})", files.join(" or ")) }
}

#[cfg(test)]
mod tests;
