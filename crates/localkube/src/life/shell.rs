//! `localkube sh`: this machine's programs inside the network of a node or a pod.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    process::Command,
};

use anyhow::{Context, bail};

use super::{
    instance::{Instance, Name},
    privileges,
};

/// Options of `sh`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A node (`node-1`), `outside`, or a pod (`NAME` in the namespace given by -n, or `NAMESPACE/NAME`).
    target: String,
    /// The pod's namespace.
    #[arg(long, short, default_value = "default")]
    namespace: String,
    /// What to run; by default a shell.
    #[arg(last = true)]
    command: Vec<OsString>,
}

/// Runs the command and exits with its code.
pub fn main(name: &Name, args: &Args) -> anyhow::Result<()> {
    let instance = Instance::new(name);
    let facts = instance.facts()?;
    let mut stream = UnixStream::connect(instance.control())
        .with_context(|| format!("instance \"{name}\" does not answer; is it up?"))?;
    let is_place = args.target.contains('/') || args.target.starts_with("node-") || args.target == "outside";
    let asked = if is_place { args.target.clone() } else { format!("{}/{}", args.namespace, args.target) };
    writeln!(stream, "{asked}")?;
    let mut reply = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut reply)?;
    let (file, hint) = match reply.trim().split_once(' ') {
        Some(("ok", rest)) => rest.split_once(' ').unwrap_or((rest, "")),
        Some(("error", why)) => bail!("{why}"),
        _ => bail!("instance \"{name}\" gave an answer that makes no sense: {reply:?}"),
    };
    let pid = facts.pid;
    let mut enter = Command::new("nsenter");
    enter.args(["--target", &pid.to_string(), "--mount", "--pid"]);
    if !nix::unistd::geteuid().is_root() || privileges::is_rootless() {
        enter.args(["--user", "--preserve-credentials"]);
    }
    enter.arg(format!("--net=/proc/{pid}/fd/{file}")).arg("--");
    if args.command.is_empty() {
        writeln!(std::io::stderr(), "in the network of {asked}{}{hint}", if hint.is_empty() { "" } else { "; " })?;
        enter.arg(std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()));
    } else {
        enter.args(&args.command);
    }
    let status = enter.status().context("cannot run nsenter (package util-linux)")?;
    drop(stream);
    std::process::exit(status.code().unwrap_or(1));
}
