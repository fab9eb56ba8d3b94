//! One build for all: what `demo`, `test` and `e2e` run comes from the same profile and the same features.

use std::{env, path::PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

/// Which profile to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// What tests and the demo run.
    Dev,
    /// What is measured.
    Release,
}

/// Builds the workspace and gives the folder of its programs.
///
/// Always the whole workspace with all targets: cargo chooses the features of shared dependencies by what is built
/// together, so a smaller selection would build them a second time.
pub(crate) fn workspace(sh: &Shell, profile: Profile) -> Result<PathBuf> {
    let (options, folder): (&[&str], _) = match profile {
        Profile::Dev => (&["--all-targets"], "debug"),
        Profile::Release => (&["--bins", "--release"], "release"),
    };
    let cargo = cargo();
    cmd!(sh, "{cargo} build --workspace --locked {options...}").run().context("the workspace does not build")?;
    let programs =
        sh.current_dir().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join(folder);
    ensure!(
        programs.join("localkube").exists(),
        "the build left no program at {}",
        programs.join("localkube").display()
    );
    Ok(programs)
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
