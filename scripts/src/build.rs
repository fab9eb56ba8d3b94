//! One build for all: what `demo`, `test` and `e2e` run comes from the same profile and the same features, and what is
//! measured is what images hold.

use std::{env, path::PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

/// What static programs run on, without any file beside them.
const STATIC: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// How they are linked: without a libc beside them. Where the compiler brings its own linker, also with functions that came
/// out alike kept once, and with addresses that depend on where the program lies in a short table instead of a long one: an
/// idle proxy's memory is mostly its program.
const STATIC_FLAGS: &str = if cfg!(target_arch = "aarch64") {
    "-C target-feature=+crt-static"
} else {
    "-C target-feature=+crt-static -C link-arg=-Wl,--icf=all,-z,pack-relative-relocs"
};

/// Builds the workspace for tests and the demo, and gives the folder of its programs.
///
/// Always the whole workspace with all targets: cargo chooses the features of shared dependencies by what is built
/// together, so a smaller selection would build them a second time.
pub(crate) fn workspace(sh: &Shell) -> Result<PathBuf> {
    let cargo = cargo();
    cmd!(sh, "{cargo} build --workspace --locked --all-targets").run().context("the workspace does not build")?;
    existing(sh, "debug", "localkube")
}

/// Builds programs as they are shipped, and gives their folder.
///
/// Only these: each is linked as a whole, which takes longest. The workspace is selected for its features, as above.
pub(crate) fn shipped(sh: &Shell, programs: &[&str]) -> Result<PathBuf> {
    let cargo = cargo();
    let selected: Vec<&str> = programs.iter().flat_map(|program| ["--bin", program]).collect();
    cmd!(sh, "{cargo} build --workspace --locked --release --target {STATIC} {selected...}")
        .env("RUSTFLAGS", STATIC_FLAGS)
        .run()
        .context("the static programs do not build")?;
    existing(sh, &format!("{STATIC}/release"), programs.first().context("no program is wanted")?)
}

/// A folder of the build's, in which a program must be.
fn existing(sh: &Shell, folder: &str, program: &str) -> Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let programs = sh.current_dir().join(target).join(folder);
    ensure!(programs.join(program).exists(), "the build left no program at {}", programs.join(program).display());
    Ok(programs)
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
