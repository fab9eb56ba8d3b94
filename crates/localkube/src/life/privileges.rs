//! What `up` needs of the machine, and how it gets there without root.

use std::{ffi::OsString, fs, os::unix::process::CommandExt, path::Path, process::Command};

use anyhow::{Context, bail};
use nix::unistd::{User, geteuid};

use super::instance::{Instance, Name, STATE_VARIABLE};

/// How many subordinate ids a user needs: images use ids up to 65,535, and the owner match of the capture rules needs 1337.
const IDS_NEEDED: u64 = 65_536;

/// Programs that the cluster calls, and the Debian packages that bring them.
const PROGRAMS: &[(&str, &str)] = &[("ip", "iproute2"), ("iptables-restore", "iptables")];

/// Refuses, with all that is missing at once, when a program is not installed.
pub fn check_programs() -> anyhow::Result<()> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        bail!("missing programs; install the packages: apt-get install {}", missing.join(" "));
    }
    Ok(())
}

/// As root: returns. As a user with subordinate ids: runs this very command again as root of a user namespace, and does
/// not return. Else: says what is missing.
pub fn become_root(name: &Name) -> anyhow::Result<()> {
    if geteuid().is_root() {
        return check_id_map(&fs::read_to_string("/proc/self/uid_map").unwrap_or_default());
    }
    let user = User::from_uid(geteuid())?.context("this user has no entry in the user database")?;
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        let ids = subordinate_ids(&text, &user.name, user.uid.as_raw());
        if ids < IDS_NEEDED {
            bail!(
                "not root, and user {0} has {ids} subordinate ids in {file} where {IDS_NEEDED} are needed (pods run as \
                 several users, and traffic capture tells the proxy by its uid 1337). Run as root, or have root run: \
                 usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {0}",
                user.name
            );
        }
    }
    if find("newuidmap").is_none() || find("newgidmap").is_none() {
        bail!("not root, and newuidmap/newgidmap are missing; install the package: apt-get install uidmap");
    }
    let folder = Instance::new(name).folder().parent().map(Path::to_path_buf).unwrap_or_default();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let error = Command::new("unshare")
        .args(["--user", "--map-root-user", "--map-auto", "--"])
        .arg(std::env::current_exe()?)
        .args(arguments)
        .env(STATE_VARIABLE, folder)
        .exec();
    Err(error).context("cannot run unshare (package util-linux, 2.38 or newer)")
}

/// True when this process is root of a user namespace rather than of the machine.
pub fn is_rootless() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !is_whole_machine(&map))
}

fn is_whole_machine(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn check_id_map(uid_map: &str) -> anyhow::Result<()> {
    let mapped: u64 = uid_map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum();
    if mapped < IDS_NEEDED {
        bail!(
            "this user namespace maps {mapped} user ids where {IDS_NEEDED} are needed (pods run as several users, and \
             traffic capture tells the proxy by its uid 1337). Start localkube outside of it, or map a full range with \
             newuidmap and newgidmap"
        );
    }
    Ok(())
}

fn subordinate_ids(text: &str, user: &str, uid: u32) -> u64 {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let owner = fields.next()?;
            (owner == user || owner == uid.to_string()).then(|| fields.nth(1)?.trim().parse::<u64>().ok())?
        })
        .sum()
}

fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(program)).find(|p| p.is_file())
}

#[cfg(test)]
mod tests;
