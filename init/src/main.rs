//! `lateen-init`: reads flags, plans the packet rules of a pod, and makes them stand.

use std::{
    fs,
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Parser;
use init::{
    apply::{self, Outcome, Programs},
    check::{self, Proof},
    flags::{Cli, Command, Flags},
    plan,
    settings::{Dns, Settings, Surroundings},
};

/// What Istio's program ends with when capture is not in force; the network plugin's repair controller looks for it.
const NOT_IN_FORCE: u8 = 126;

fn main() -> ExitCode {
    let Command::Iptables(flags) = Cli::parse().command;
    match run(&flags) {
        Ok(code) => code,
        Err(error) => {
            report(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<ExitCode> {
    let say = |text: &str| {
        if flags.talkative() {
            report(text);
        }
    };
    if !flags.network_namespace.is_empty() {
        apply::enter_namespace(&flags.network_namespace)?;
    }
    // Without the file there are no servers, as every resolver takes it.
    let resolv_conf = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let surroundings = Surroundings {
        nameservers: &apply::nameservers(&resolv_conf),
        ipv6: apply::has_ipv6().context("cannot list this pod's addresses")?,
        user: apply::user_number,
        group: apply::group_number,
    };
    let settings = Settings::parse(flags, surroundings)?;
    if flags.redirect_dns && settings.dns == Dns::Off {
        report("warning: DNS is not captured: /etc/resolv.conf names no server and --capture-all-dns is not given");
    }
    let plan = plan::plan(&settings);
    if flags.dry_run {
        io::stdout().write_all(apply::print(&plan).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    if flags.cleanup_only {
        let outcome = Programs::find()?.undo(&plan)?;
        say(if outcome == Outcome::Changed { "the rules were taken away" } else { "there were no rules to take away" });
        return Ok(ExitCode::SUCCESS);
    }
    if !flags.skip_rule_apply {
        let outcome = Programs::find()?.apply(&plan, flags.force_apply)?;
        say(if outcome == Outcome::Changed { "the rules stand" } else { "the rules stood already" });
        say(&apply::print(&plan));
    }
    if flags.run_validation {
        return Ok(validate(&settings, say));
    }
    Ok(ExitCode::SUCCESS)
}

fn validate(settings: &Settings, say: impl Fn(&str)) -> ExitCode {
    match check::check(settings) {
        Ok(Proof::Captured(target, port)) => say(&format!("a connection to {target} was captured on port {port}")),
        Ok(Proof::NothingToCapture) => say("not checked: these flags capture no connection of this user"),
        Err(error) => {
            report(&format!("{:#}", anyhow::Error::from(error)));
            return ExitCode::from(NOT_IN_FORCE);
        }
    }
    ExitCode::SUCCESS
}

/// Standard error is where a container's reason is looked for. Nothing can be done when it is closed.
fn report(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}
