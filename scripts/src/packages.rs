//! What a task needs from the machine, and how to get it.

use std::{env, path::Path};

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

/// A program, the Debian package that brings it, and what it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
    /// Whether the task can do without: what needs it then says that it was not run.
    optional: bool,
}

const fn need(program: &'static str, package: &'static str, purpose: &'static str) -> Need {
    Need { program, package, purpose, optional: false }
}

/// Needs of the embedded cluster.
pub(crate) const CLUSTER: &[Need] = &[
    need("ip", "iproute2", "pods' and nodes' networks"),
    need("iptables-restore", "iptables", "Services"),
    need("curl", "curl", "pods that call each other"),
];

/// Needs of the embedded cluster when the caller is not root.
const ROOTLESS: &[Need] = &[need("newuidmap", "uidmap", "users inside containers")];

/// What the promises need besides.
pub(crate) const E2E: &[Need] =
    &[need("ps", "procps", "looking at processes"), need("tcpdump", "tcpdump", "looking at packets")];

/// What the other tests need besides.
pub(crate) const TEST: &[Need] =
    &[Need { optional: true, ..need("chromium", "chromium", "bookinfo's page in a real browser") }];

/// What the measurements need besides.
pub(crate) const BENCH: &[Need] = &[need("wrk", "wrk", "load on bookinfo")];

/// Sees to it that the programs are there: installs what is missing when root on Debian, else says what to install.
pub(crate) fn ensure(sh: &Shell, needs: &[Need]) -> Result<()> {
    let root = is_root();
    let rootless = if root { &[] } else { ROOTLESS };
    let missing: Vec<&Need> = needs.iter().chain(rootless).filter(|need| !is_installed(need.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        println!("missing: {} (package {}), for {}", need.program, need.package, need.purpose);
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !root || !is_installed("apt-get") {
        ensure!(
            missing.iter().all(|need| need.optional),
            "install the missing packages first, as root: apt-get install {}",
            packages.join(" ")
        );
        println!("going on without");
        return Ok(());
    }
    println!("installing as root: {}", packages.join(" "));
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    cmd!(sh, "apt-get -qq update").envs(quiet).run()?;
    cmd!(sh, "apt-get -qq install --yes --no-install-recommends {packages...}").envs(quiet).run()?;
    Ok(())
}

/// Whether a program is found, also where only root usually looks.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    ids.and_then(|ids| ids.split_whitespace().nth(1)).is_some_and(|effective| effective == "0")
}
