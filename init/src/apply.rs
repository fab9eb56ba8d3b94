//! The door to the kernel: runs the packet filter's own programs.

mod system;

use std::{
    io::{self, Write},
    process::{Command, Stdio},
};

use crate::{
    plan::{Family, PASSTHROUGH6, Plan, Routing, render},
    state::{State, change},
};

pub use system::{enter_namespace, group_number, has_ipv6, nameservers, user_number};

/// Why rules could not be set up, taken away or checked.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A program could not be started; the image lacks it.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// A program failed. The kernel refuses when the container lacks NET_ADMIN, or when a module is not there.
    #[error("{program} failed: {message}; the container needs the capabilities NET_ADMIN and NET_RAW{input}")]
    Failed {
        /// The program and its arguments.
        program: String,
        /// What it said.
        message: String,
        /// What it was given.
        input: String,
    },
    /// The rules were written, but are not there. Another program changes them at the same time.
    #[error("the rules that stand in {0} are not those that were written")]
    Differs(&'static str),
    /// The network namespace cannot be entered.
    #[error("cannot enter the network namespace {path}")]
    Namespace {
        /// Its path.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// Which programs write the rules: those whose kind of rules (legacy or nftables) stands there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Programs {
    variant: &'static str,
}

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was as it should be.
    Unchanged,
    /// Rules were written or taken away.
    Changed,
}

impl Programs {
    /// Finds out which kind the pod uses: the one that has rules, otherwise the system's default, otherwise any.
    pub fn find() -> Result<Self, ApplyError> {
        let state = |variant| Self { variant }.state(Family::V4);
        for variant in ["-legacy", "-nft"] {
            if state(variant).is_ok_and(|state| state.has_rules()) {
                return Ok(Self { variant });
            }
        }
        let mut refusal = None;
        for variant in ["", "-nft", "-legacy"] {
            match state(variant) {
                Ok(_) => return Ok(Self { variant }),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or(ApplyError::Differs("iptables-save")))
    }

    /// What stands there.
    pub fn state(self, family: Family) -> Result<State, ApplyError> {
        run(&self.name(family, "save"), &[], "").map(|saved| State::parse(&saved))
    }

    fn name(self, family: Family, verb: &str) -> String {
        let stem = match family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        format!("{stem}{}-{verb}", self.variant)
    }

    fn restore(self, family: Family, text: &str) -> Result<(), ApplyError> {
        // Other containers of the node may hold the lock of the legacy programs.
        run(&self.name(family, "restore"), &["--noflush", "--wait", "30"], text).map(|_| ())
    }

    /// Makes the plan stand. A plan that stands already is left alone unless `force`.
    pub fn apply(self, plan: &Plan, force: bool) -> Result<Outcome, ApplyError> {
        let mut outcome = Outcome::Unchanged;
        if let Some(routing) = plan.routing {
            for (family, _) in plan.families() {
                outcome = outcome.and(route(family, routing)?);
            }
        }
        if plan.v6.is_some() {
            outcome = outcome.and(passthrough_address()?);
        }
        for (family, rules) in plan.families() {
            let state = self.state(family)?;
            if !force && state.holds(rules) {
                continue;
            }
            self.restore(family, &change(&state, rules, &[]))?;
            if !self.state(family)?.holds(rules) {
                return Err(ApplyError::Differs(name(family)));
            }
            outcome = Outcome::Changed;
        }
        Ok(outcome)
    }

    /// Takes everything of ours away. `plan` tells which rules in shared chains are ours.
    pub fn undo(self, plan: &Plan) -> Result<Outcome, ApplyError> {
        let mut outcome = Outcome::Unchanged;
        for (family, rules) in plan.families() {
            let state = self.state(family)?;
            if !state.holds_any(rules) {
                continue;
            }
            self.restore(family, &change(&state, &[], rules))?;
            if self.state(family)?.holds_any(rules) {
                return Err(ApplyError::Differs(name(family)));
            }
            outcome = Outcome::Changed;
        }
        if let Some(routing) = plan.routing {
            for (family, _) in plan.families() {
                outcome = outcome.and(unroute(family, routing)?);
            }
        }
        Ok(outcome)
    }
}

impl Outcome {
    fn and(self, other: Self) -> Self {
        if self == Self::Changed { self } else { other }
    }
}

/// The plan as text, for people.
pub fn print(plan: &Plan) -> String {
    let mut text = String::new();
    for (family, rules) in plan.families() {
        text += &format!("# {}-restore --noflush\n{}", name(family), render(rules));
        if let Some(routing) = plan.routing {
            let flag = flag(family);
            text += &format!("# ip {flag} rule add {}\n", rule_words(routing).join(" "));
            text += &format!("# ip {flag} route add {}\n", route_words(routing).join(" "));
        }
    }
    if plan.v6.is_some() {
        text += &format!("# ip -6 addr add {PASSTHROUGH6}/128 dev lo\n");
    }
    text
}

fn name(family: Family) -> &'static str {
    match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    }
}

fn flag(family: Family) -> &'static str {
    match family {
        Family::V4 => "-4",
        Family::V6 => "-6",
    }
}

fn rule_words(routing: Routing) -> Vec<String> {
    ["fwmark", &routing.mark.to_string(), "lookup", &routing.table.to_string()].map(str::to_owned).to_vec()
}

fn route_words(routing: Routing) -> Vec<String> {
    ["local", "default", "dev", "lo", "table", &routing.table.to_string()].map(str::to_owned).to_vec()
}

/// `ip FLAG OBJECT VERB WORDS`.
fn ip(family: Family, object: &str, verb: &str, words: &[String]) -> Result<String, ApplyError> {
    let words = words.iter().map(String::as_str);
    run("ip", &[flag(family), object, verb].into_iter().chain(words).collect::<Vec<_>>(), "")
}

fn has_rule(family: Family, routing: Routing) -> Result<bool, ApplyError> {
    let (mark, table) = (format!("fwmark {:#x}", routing.mark), format!("lookup {}", routing.table));
    let rules = ip(family, "rule", "show", &[])?;
    Ok(rules.lines().any(|line| line.contains(&mark) && line.ends_with(&table)))
}

fn has_route(family: Family, routing: Routing) -> bool {
    // A table that holds nothing does not exist, which `ip` calls an error.
    let table = ["table".to_owned(), routing.table.to_string()];
    ip(family, "route", "show", &table).is_ok_and(|routes| routes.contains("local default dev lo"))
}

fn route(family: Family, routing: Routing) -> Result<Outcome, ApplyError> {
    let mut outcome = Outcome::Unchanged;
    if !has_rule(family, routing)? {
        ip(family, "rule", "add", &rule_words(routing))?;
        outcome = Outcome::Changed;
    }
    if !has_route(family, routing) {
        ip(family, "route", "add", &route_words(routing))?;
        outcome = Outcome::Changed;
    }
    Ok(outcome)
}

fn unroute(family: Family, routing: Routing) -> Result<Outcome, ApplyError> {
    let mut outcome = Outcome::Unchanged;
    if has_rule(family, routing)? {
        ip(family, "rule", "del", &rule_words(routing))?;
        outcome = Outcome::Changed;
    }
    if has_route(family, routing) {
        ip(family, "route", "del", &route_words(routing))?;
        outcome = Outcome::Changed;
    }
    Ok(outcome)
}

/// IPv6 has one loopback address only; the proxy needs a second one to call its own pod from.
fn passthrough_address() -> Result<Outcome, ApplyError> {
    let address = format!("{PASSTHROUGH6}/128");
    let lo = ["dev".to_owned(), "lo".to_owned()];
    if ip(Family::V6, "addr", "show", &lo)?.contains(&address) {
        return Ok(Outcome::Unchanged);
    }
    ip(Family::V6, "addr", "add", &[address, "dev".to_owned(), "lo".to_owned()])?;
    Ok(Outcome::Changed)
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, ApplyError> {
    let failed = |source| ApplyError::Run { program: program.to_owned(), source };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read all says why on its standard error.
        stdin.write_all(input.as_bytes()).or_else(ignore_closed).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(ApplyError::Failed {
        program: format!("{program} {}", arguments.join(" ")),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        input: if input.is_empty() { String::new() } else { format!("; it was given:\n{input}") },
    })
}

fn ignore_closed(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests;
