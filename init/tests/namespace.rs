//! The rules in a kernel: in a network namespace of the test's own, which needs root.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail as the test does")]

use std::{
    os::unix::process::CommandExt,
    process::{Command, Output},
    thread,
};

use nix::{
    sched::{CloneFlags, unshare},
    unistd::geteuid,
};

const INJECTED: [&str; 16] = [
    "-p",
    "15001",
    "-z",
    "15006",
    "-u",
    "1337",
    "-m",
    "REDIRECT",
    "-i",
    "*",
    "-x",
    "",
    "-b",
    "*",
    "-d",
    "15090,15021,15020",
];

/// Runs a test in a network namespace with a loopback, one device and a default route, as a pod has them.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if !geteuid().is_root() {
        eprintln!("not run: a network namespace needs root");
        return;
    }
    let inside = move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        for line in [
            "link set lo up",
            "link add eth0 type veth peer name peer0",
            "link set peer0 up",
            "link set eth0 up",
            "addr add 10.9.9.2/24 dev eth0",
            "route add default via 10.9.9.1",
        ] {
            succeeds(Command::new("ip").args(line.split(' ')));
        }
        test();
    };
    thread::spawn(inside).join().unwrap();
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn init(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lateen-init"));
    command.arg("istio-iptables").args(words);
    command
}

fn run(words: &[&str]) -> Output {
    init(words).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All rules, without counters and comments.
fn saved() -> String {
    let text = succeeds(&mut Command::new("iptables-save")) + &succeeds(&mut Command::new("ip6tables-save"));
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with(':'))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn cycle(words: &[&str]) {
    succeeds(Command::new("iptables").args("-t nat -A PREROUTING -p udp -j ACCEPT".split(' ')));
    let before = saved();
    let first = run(words);
    assert!(first.status.success() && said(&first).contains("the rules stand\n"), "{}", said(&first));
    let once = saved();
    assert!(once.contains("ISTIO_REDIRECT"), "{once}");

    let second = run(words);
    assert!(second.status.success() && said(&second).contains("stood already"), "{}", said(&second));
    assert_eq!(saved(), once);
    let forced = run(&[words, &["--force-apply"]].concat());
    assert!(forced.status.success() && said(&forced).contains("the rules stand\n"), "{}", said(&forced));
    assert_eq!(saved(), once);

    let undone = run(&[words, &["--cleanup-only"]].concat());
    assert!(undone.status.success(), "{}", said(&undone));
    let rest = |text: &str| text.lines().filter(|l| l.starts_with("-A")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rest(&saved()), rest(&before), "only what others wrote is left");
    assert!(!succeeds(&mut Command::new("iptables-save")).contains("ISTIO_"));
}

#[test]
fn injected_rules_are_written_once_and_taken_away() {
    in_namespace(|| cycle(&INJECTED));
}

#[test]
fn every_kind_of_rule_is_accepted_by_the_kernel() {
    in_namespace(|| {
        cycle(
            &[
                &INJECTED[..],
                &[
                    "--redirect-dns",
                    "--capture-all-dns",
                    "--dual-stack",
                    "--drop-invalid",
                    "-k",
                    "vm0,vm1",
                    "-c",
                    "net+",
                    "-q",
                    "443",
                    "-o",
                    "25,9000:9010",
                    "-x",
                    "10.1.2.3/16,fd00::1/64",
                    "--outbound-owner-groups",
                    "202,203",
                ],
            ]
            .concat(),
        );
    });
}

#[test]
fn tproxy_is_accepted_by_the_kernel() {
    in_namespace(|| {
        cycle(&["-m", "TPROXY", "-i", "10.0.0.0/8", "-b", "*", "-d", "15020", "-u", "1337", "--dual-stack"]);
        assert!(!succeeds(Command::new("ip").args(["rule"])).contains("0x539"));
    });
}

#[test]
fn other_flags_replace_the_rules_of_an_earlier_run() {
    in_namespace(|| {
        let dns = [&INJECTED[..], &["--redirect-dns", "--capture-all-dns"]].concat();
        assert!(run(&dns).status.success());
        assert!(run(&INJECTED).status.success());
        let replaced = saved();
        assert!(
            !replaced.contains("ISTIO_OUTPUT_DNS") && replaced.matches("-A OUTPUT -j ISTIO_OUTPUT").count() == 1,
            "{replaced}"
        );
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    in_namespace(|| {
        let output = run(&[&INJECTED[..], &["--dry-run"]].concat());
        assert!(String::from_utf8_lossy(&output.stdout).contains("-A PREROUTING -p tcp -j ISTIO_INBOUND"));
        assert!(!saved().contains("ISTIO_"));
    });
}

#[test]
fn a_connection_proves_capture() {
    in_namespace(|| {
        let check = [&INJECTED[..], &["--skip-rule-apply", "--run-validation", "--probe-timeout", "2s"]].concat();
        let missing = run(&check);
        assert_eq!(missing.status.code(), Some(126), "{}", said(&missing));
        assert!(said(&missing).contains("not in force"), "{}", said(&missing));

        let written = run(&[&INJECTED[..], &["--run-validation"]].concat());
        assert!(written.status.success() && said(&written).contains("captured on port 15001"), "{}", said(&written));
        let proxy = init(&check).uid(1337).gid(1337).output().unwrap();
        assert!(proxy.status.success() && said(&proxy).contains("captured on port 15006"), "{}", said(&proxy));
    });
}
