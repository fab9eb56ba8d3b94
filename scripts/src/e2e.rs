//! `cargo xtask e2e`: the promises, on an instance of their own that is gone afterwards.

use anyhow::Result;
use clap::Args;
use xshell::{Shell, cmd};

use crate::{
    build::{self, Profile, cargo},
    localkube::Localkube,
    mesh::{self, DataPlane},
    packages,
};

/// Instances of this task begin with this; the process that made them follows.
const PREFIX: &str = "e2e-";

/// Options of `cargo xtask e2e`.
#[derive(Args, Debug, Default)]
pub(crate) struct E2e {
    /// Also run what takes longer than a minute by nature.
    #[arg(long)]
    long: bool,
    /// What runs beside the applications.
    #[arg(long, value_enum, default_value_t)]
    data_plane: DataPlane,
    /// Only tests whose name contains this.
    #[arg(long)]
    filter: Option<String>,
}

/// Starts an instance with the mesh on it, runs the suite, ends it, and looks for what was left behind.
pub(crate) fn run(sh: &Shell, args: &E2e) -> Result<()> {
    packages::ensure(sh, &[packages::CLUSTER, packages::E2E].concat())?;
    let programs = build::workspace(sh, Profile::Dev)?;
    let cluster = Localkube::new(&programs, &format!("{PREFIX}{}", std::process::id()));
    cluster.sweep(sh, PREFIX)?;
    let options = [vec!["--quiet".to_owned()], args.data_plane.options(sh)?].concat();
    let tested = cluster
        .up(sh, &options)
        .and_then(|()| mesh::install(sh, &programs, &cluster, args.data_plane))
        .and_then(|()| suite(sh, &cluster, args));
    let down = cluster.down(sh);
    tested?;
    down?;
    cluster.check_gone()
}

fn suite(sh: &Shell, cluster: &Localkube, args: &E2e) -> Result<()> {
    let cargo = cargo();
    let environment = [
        ("LOCALKUBE_KUBECONFIG", cluster.kubeconfig(sh)?),
        ("LOCALKUBE_NAME", cluster.name().to_owned()),
        ("LOCALKUBE_PROGRAM", cluster.program().display().to_string()),
        ("LATEEN_E2E_LONG", args.long.to_string()),
        ("LATEEN_DATA_PLANE", args.data_plane.name().to_owned()),
        // A promise that is broken is told by its causes; a backtrace would bury them.
        ("RUST_LIB_BACKTRACE", "0".to_owned()),
    ];
    let filter = args.filter.as_deref();
    // The whole workspace is selected, as in the build, and narrowed by filter: see `build::workspace`.
    let run = if packages::is_installed("cargo-nextest") {
        cmd!(sh, "{cargo} nextest run --workspace --all-targets --locked -E package(e2e) {filter...}")
    } else {
        cmd!(sh, "{cargo} test --workspace --locked --test * -- {filter...}")
    };
    Ok(run.envs(environment).run()?)
}
