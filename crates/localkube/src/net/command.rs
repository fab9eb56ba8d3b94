//! Programs that set the network up, run inside a namespace and fed on standard input.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
};

use super::netns::NetNs;

/// Where the tools live; not every user's PATH has `sbin`.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/// Runs `ip -batch` with `commands` (one a line) inside `netns`. Stops at the first command that fails.
pub(super) fn ip(netns: &NetNs, commands: &str) -> io::Result<()> {
    feed(netns, "ip", &["-batch", "-"], commands)
}

/// Applies `rules` in one transaction; chains that they do not name stay as they are.
pub(super) fn iptables_restore(netns: &NetNs, rules: &str) -> io::Result<()> {
    feed(netns, "iptables-restore", &["-w", "5", "--noflush"], rules)
}

/// Forgets the UDP connections to `service` (with `endpoint`: those that lead to it). TCP needs none of this: its
/// peers find out. Without the `conntrack` program a stale entry lives on until it is silent for 30 s.
pub(super) fn forget_udp(netns: &NetNs, service: &str, endpoint: Option<&str>) -> io::Result<()> {
    let mut args = vec!["-D", "-p", "udp", "--orig-dst", service];
    args.extend(endpoint.iter().flat_map(|ip| ["--dst-nat", *ip]));
    match feed(netns, "conntrack", &args, "") {
        // Its way to say that there was nothing to delete.
        Err(e) if e.to_string().contains("0 flow entries") => Ok(()),
        other => other,
    }
}

/// Runs a program inside `netns`. A failure tells what it said on standard error.
fn feed(netns: &NetNs, program: &str, args: &[&str], input: &str) -> io::Result<()> {
    netns.run(|| {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{program}: {e}; is it installed?"));
        let mut child = Command::new(program)
            .args(args)
            .env("PATH", PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(named)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that gives up early closes its input; its standard error then says why.
            match stdin.write_all(input.as_bytes()) {
                Err(e) if e.kind() != io::ErrorKind::BrokenPipe => return Err(e),
                _ => {}
            }
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("{program} {}: {}", args.join(" "), said.trim())))
    })
}

/// Sets kernel parameters below `/proc/sys/net` for `netns` alone: the folder shows the reading thread's namespace.
pub(super) fn sysctl(netns: &NetNs, settings: &[(&str, &str)]) -> io::Result<()> {
    netns.run(|| {
        for (name, value) in settings {
            let path = format!("/proc/sys/net/{name}");
            std::fs::write(&path, value).map_err(|e| io::Error::new(e.kind(), format!("{path} = {value}: {e}")))?;
        }
        Ok(())
    })
}
