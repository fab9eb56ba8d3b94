//! Who we take code from: licences, bans and sources, held against `deny.toml` without a network.

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Finding, finding};
use crate::metadata::Package;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What `deny.toml` allows and bans.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    licences: Vec<String>,
    bans: Vec<String>,
}

impl Policy {
    /// Reads `deny.toml`, which cargo-deny reads too: one list for both.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let value: Value = basic_toml::from_str(text).context("deny.toml is not TOML")?;
        let strings = |list: &Value, pick: fn(&Value) -> Option<&str>| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(pick).map(str::to_owned).collect()
        };
        let licences = strings(&value["licenses"]["allow"], Value::as_str);
        let bans = strings(&value["bans"]["deny"], |ban| ban["crate"].as_str());
        anyhow::ensure!(!licences.is_empty(), "deny.toml has no [licenses] allow list");
        Ok(Self { licences, bans })
    }
}

/// Holds the packages that the workspace needs against the policy.
pub(super) fn check(policy: &Policy, packages: &[&Package]) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in packages {
        let who = format!("{} {}", package.name, package.version);
        let mut say = |what: String, way_out: &str| found.push(finding("Cargo.lock", 0, what, way_out));
        let licence = package.license.as_deref().unwrap_or("none");
        if !permits(licence, &policy.licences) {
            say(
                format!("{who} has the licence `{licence}`"),
                "choose another crate, or argue for the licence in deny.toml",
            );
        }
        if policy.bans.contains(&package.name) {
            say(format!("{who} is banned"), "deny.toml says what to use; `cargo tree -i` shows who brings it");
        }
        if package.source.as_deref().is_some_and(|s| s != CRATES_IO) {
            say(format!("{who} is not from crates.io"), "depend on a published version");
        }
    }
    found
}

/// `Cargo.lock` names no source but crates.io, also for packages of other platforms.
pub(super) fn check_lock(lock: &str) -> Vec<Finding> {
    let foreign = |line: &str| line.strip_prefix("source = \"").is_some_and(|s| s.trim_end_matches('"') != CRATES_IO);
    let hits = lock.lines().enumerate().filter(|(_, line)| foreign(line));
    hits.map(|(n, line)| {
        finding("Cargo.lock", n + 1, format!("`{line}` is not crates.io"), "depend on a published version")
    })
    .collect()
}

/// Whether a licence expression can be met with allowed licences: every `AND` part, any `OR` part (`/` is an old `OR`).
fn permits(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest, allowed) && rest.is_empty()
}

fn any_of(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut met = all_of(rest, allowed);
    while let ["OR", tail @ ..] = *rest {
        *rest = tail;
        met |= all_of(rest, allowed);
    }
    met
}

fn all_of(rest: &mut &[&str], allowed: &[String]) -> bool {
    let mut met = one(rest, allowed);
    while let ["AND", tail @ ..] = *rest {
        *rest = tail;
        met &= one(rest, allowed);
    }
    met
}

fn one(rest: &mut &[&str], allowed: &[String]) -> bool {
    match *rest {
        ["(", tail @ ..] => {
            *rest = tail;
            let met = any_of(rest, allowed);
            *rest = rest.strip_prefix(&[")"]).unwrap_or(rest);
            met
        }
        [licence, "WITH", exception, tail @ ..] => {
            *rest = tail;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, tail @ ..] => {
            *rest = tail;
            allowed.iter().any(|a| a == licence)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests;
