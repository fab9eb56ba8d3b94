//! Containers as such.

use std::{
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use localkube::node::{
    access::{ExecRequest, Exit, LogRequest},
    runtime::{ContainerSpec, Mount},
    security::Rights,
};
use nix::sys::signal::Signal;
use tokio::{io::AsyncWriteExt, runtime::Runtime, time};

use super::bench::{Bench, exec, finish, refusal, run, start, text};

#[tokio::test(flavor = "multi_thread")]
async fn output_and_exit_code_arrive() {
    let Some(bench) = Bench::new() else { return };
    let (exit, text) = run(&bench.sh("echo out; echo err >&2; exit 7")).await;
    assert_eq!(exit, Exit::Code(7));
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["err", "out"]);
    let file = fs::read_to_string(bench.folder.path().join("0.log")).unwrap();
    let line = file.lines().find(|line| line.ends_with("out")).unwrap();
    let (time, rest) = line.split_once(' ').unwrap();
    assert_eq!(rest, "stdout F out");
    assert_eq!((time.len(), time.ends_with('Z')), ("2026-11-21T02:00:00.000000000Z".len(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_end_a_container_and_all_in_it() {
    let Some(bench) = Bench::new() else { return };
    let container = start(&bench.sh("sleep 1000 & exec sleep 1000")).await;
    container.signal(Signal::SIGTERM);
    assert!(time::timeout(Duration::from_millis(300), container.wait()).await.is_err(), "process 1 ignores SIGTERM");
    container.signal(Signal::SIGKILL);
    assert_eq!(container.wait().await, Exit::Signal(9));
    container.signal(Signal::SIGKILL);
    assert!(!Path::new(&format!("/proc/{}", container.pid())).exists());
    let (exit, text) = run(&bench.sh("trap 'echo bye; exit 3' TERM; kill -TERM 1; sleep 1")).await;
    assert_eq!((exit, text.contains("bye")), (Exit::Code(3), true));
}

#[test]
fn a_container_ends_with_the_runtime_that_waits_for_it() {
    let Some(bench) = Bench::new() else { return };
    let runtime = Runtime::new().unwrap();
    let container = runtime.block_on(start(&bench.sh("exec sleep 1000")));
    // Of a process that has ended nothing is left but its status.
    let runs = || fs::read(format!("/proc/{}/cmdline", container.pid())).is_ok_and(|line| !line.is_empty());
    assert!(runs());
    drop(runtime);
    let end = Instant::now() + Duration::from_secs(5);
    while runs() {
        assert!(Instant::now() < end, "it outlives its runtime");
        sleep(Duration::from_millis(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_process_one_with_names_of_its_own() {
    let Some(bench) = Bench::new() else { return };
    let script = "echo $$; hostname; cat /etc/hostname; ps -e -o pid= | wc -l; ls -A / | tr '\\n' ' '; pwd; ls /proc/self/fd | wc -l";
    let (_, text) = run(&ContainerSpec { cwd: "/zone/deep".into(), ..bench.sh(script) }).await;
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    assert_eq!(lines[..4], ["1", "reviews-v1", "reviews-v1", "3"], "{text}");
    assert!(lines[4].starts_with("bin dev etc home lib"), "{text}");
    assert!(lines[4].ends_with("/zone/deep"), "{text}");
    assert_eq!(lines[5], "4", "streams and ls' own folder: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn user_groups_and_capabilities_are_as_asked() {
    let Some(bench) = Bench::new() else { return };
    let script =
        "id -u; id -g; id -G; grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs' /proc/self/status | tr '\\n\\t' '  '";
    let root = run(&bench.sh(script)).await.1;
    assert!(root.starts_with("0\n0\n0\n"), "{root}");
    let caps = "00000000a80425fb";
    assert!(root.contains(&format!("CapPrm: {caps} CapEff: {caps} CapBnd: {caps}")), "{root}");
    assert!(root.contains("CapInh: 0000000000000000") && root.contains("CapAmb: 0000000000000000"), "{root}");
    assert!(root.contains("NoNewPrivs: 0"), "{root}");
    let with = |change: &dyn Fn(&mut Rights)| {
        let mut spec = bench.sh(script);
        change(&mut spec.rights);
        spec
    };
    let user = with(&|rights| {
        (rights.uid, rights.gid, rights.groups) = (1337, 1338, vec![1338, 2000]);
        rights.no_new_privileges = true;
    });
    let user = run(&user).await.1;
    assert!(user.starts_with("1337\n1338\n1338 2000\n"), "{user}");
    let expected = format!("CapPrm: 0000000000000000 CapEff: 0000000000000000 CapBnd: {caps}");
    assert!(user.contains(&expected) && user.contains("NoNewPrivs: 1"), "{user}");
    let one = run(&with(&|rights| rights.capabilities = vec!["NET_ADMIN".to_owned()])).await.1;
    assert!(one.contains("CapEff: 0000000000001000"), "{one}");
    let unknown = with(&|rights| rights.capabilities = vec!["FLY".to_owned()]);
    assert_eq!(refusal(&unknown).await, "securityContext.capabilities: unknown name \"FLY\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_can_be_read_only_and_mounts_still_work() {
    let Some(bench) = Bench::new() else { return };
    let one = bench.file("one.txt", "one");
    let data = bench.folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("x"), "x").unwrap();
    let mount =
        |source: &Path, target: &str, read_only| Mount { source: source.to_owned(), target: target.into(), read_only };
    let script = "for f in /a /tmp/a /run/a /etc/a /opt/ro/a /usr/a; do touch $f 2>/dev/null && echo wrote $f; done; \
                  touch /opt/rw/b && cat /opt/rw/inner/one.txt /usr/share/none/one.txt /opt/ro/x /etc/conf/one; \
                  echo x > /dev/null; touch /dev/shm/ok && ls /dev/shm";
    let mut spec = bench.sh(script);
    spec.mounts = vec![
        mount(&one, "/opt/rw/inner/one.txt", true),
        mount(&data, "/opt/rw", false),
        mount(&data, "/opt/ro", true),
        mount(&one, "/usr/share/none/one.txt", true),
        mount(&one, "/etc/conf/one", true),
    ];
    let writable = run(&spec).await.1;
    assert!(writable.starts_with("wrote /a\nwrote /tmp/a\nwrote /run/a\nwrote /etc/a\noneonexone"), "{writable}");
    spec.rights.read_only_root = true;
    let sealed = run(&spec).await.1;
    let file = fs::read_to_string(bench.folder.path().join("0.log")).unwrap();
    assert!(sealed.ends_with("oneonexoneok\n") && sealed.matches("wrote").count() == 4, "{file}");
    spec.command[2] =
        "ls /usr/share | wc -l; touch /usr/share/x || touch /usr/share/none/y || touch /usr/share/doc/z".to_owned();
    let shared = run(&spec).await.1;
    let count = fs::read_dir("/usr/share").unwrap().count() + 1;
    assert!(shared.contains(&format!("{count}\n")), "{shared}");
    assert_eq!(shared.matches("Read-only file system").count(), 3, "{shared}");
    assert!(data.join("b").exists());
    assert!(!Path::new("/usr/share/none").exists());
    assert!(!bench.folder.path().join("0.log.root").exists());
    spec.mounts = vec![mount(Path::new("/nowhere/at/all"), "/x", false)];
    assert_eq!(refusal(&spec).await, "mount source \"/nowhere/at/all\": No such file or directory (os error 2)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_run_is_named() {
    let Some(bench) = Bench::new() else { return };
    let plain = bench.file("plain", "no program");
    let mut spec = bench.spec(&["foo"]);
    spec.mounts = vec![Mount { source: plain, target: "/bin2/plain".into(), read_only: true }];
    assert_eq!(refusal(&spec).await, "exec: \"foo\": executable file not found in $PATH");
    for (command, words) in [
        ("/foo", "exec: \"/foo\": stat /foo: no such file or directory"),
        ("/bin2/plain", "exec: \"/bin2/plain\": permission denied"),
        ("/tmp", "exec: \"/tmp\": is a directory"),
    ] {
        spec.command = vec![command.to_owned()];
        assert_eq!(refusal(&spec).await, words);
    }
    spec.command = Vec::new();
    assert_eq!(refusal(&spec).await, "no command specified");
    assert!(!bench.folder.path().join("0.log.root").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_runs_beside_the_main_process() {
    let Some(bench) = Bench::new() else { return };
    let spec = ContainerSpec {
        rights: Rights { uid: 1000, gid: 1000, ..bench.sh("").rights },
        env: vec![("PATH".to_owned(), "/bin".to_owned()), ("COLOR".to_owned(), "red".to_owned())],
        cwd: "/tmp".into(),
        ..bench.sh("echo here > /tmp/mark; exec sleep 1000")
    };
    let container = start(&spec).await;
    time::sleep(Duration::from_millis(100)).await;
    let script = "cat mark; echo $COLOR; id -u; hostname; echo bad >&2; grep CapEff /proc/self/status; exit 5";
    let (exit, out, err) = finish(container.exec(&exec(&["sh", "-c", script])).await.unwrap()).await;
    assert_eq!(exit, Exit::Code(5));
    assert_eq!(out, "here\nred\n1000\nreviews-v1\nCapEff:\t0000000000000000\n");
    assert_eq!(err, "bad\n");
    let mut session = container.exec(&ExecRequest { stdin: true, ..exec(&["cat"]) }).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"echoed").await.unwrap();
    drop(stdin);
    assert_eq!(finish(session).await, (Exit::Code(0), "echoed".to_owned(), String::new()));
    let error = container.exec(&exec(&["foo"])).await.err().unwrap();
    assert_eq!(error.to_string(), "exec: \"foo\": executable file not found in $PATH");
    let left = container.exec(&exec(&["sleep", "999"])).await.unwrap();
    drop(left);
    time::sleep(Duration::from_millis(300)).await;
    let (_, out, _) = finish(container.exec(&exec(&["ps", "-e", "-o", "args="])).await.unwrap()).await;
    assert!(!out.contains("sleep 999"), "the caller has gone, so the process should have: {out}");
    let killed = container.exec(&exec(&["sleep", "998"])).await.unwrap();
    container.signal(Signal::SIGKILL);
    assert_eq!(finish(killed).await.0.code(), 137);
    container.wait().await;
    let error = container.exec(&exec(&["true"])).await.err().unwrap();
    assert_eq!(error.to_string(), "the container has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_one() {
    let Some(bench) = Bench::new() else { return };
    let container = start(&bench.sh("exec sleep 1000")).await;
    let request = ExecRequest { tty: true, stdin: true, ..exec(&["sh", "-c", "read x; tty; stty size; echo got $x"]) };
    let mut session = container.exec(&request).await.unwrap();
    session.resize.as_ref().unwrap().send((101, 33)).await.unwrap();
    time::sleep(Duration::from_millis(50)).await;
    session.stdin.as_mut().unwrap().write_all(b"word\n").await.unwrap();
    let (exit, out, _) = finish(session).await;
    assert_eq!(exit, Exit::Code(0));
    assert_eq!(out, "word\r\n/dev/pts/0\r\n33 101\r\ngot word\r\n");

    let spec = ContainerSpec { tty: true, stdin: true, ..bench.sh("tty; read x; echo got $x") };
    let container = start(&spec).await;
    let request = ExecRequest { tty: true, stdin: true, stdout: true, ..ExecRequest::default() };
    let mut session = container.attach(&request).await.unwrap();
    session.stdin.as_mut().unwrap().write_all(b"word\n").await.unwrap();
    let (exit, out, _) = finish(session).await;
    assert_eq!((exit, out.ends_with("got word\r\n")), (Exit::Code(0), true), "{out}");
    assert!(text(&container, &LogRequest::default()).await.contains("/dev/pts/0\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_shares_the_main_streams() {
    let Some(bench) = Bench::new() else { return };
    let spec = ContainerSpec { stdin: true, stdin_once: true, ..bench.sh("cat; echo end >&2") };
    let container = start(&spec).await;
    let watching = container.attach(&exec(&[])).await.unwrap();
    let mut session = container.attach(&ExecRequest { stdin: true, stdout: true, ..Default::default() }).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"hello\n").await.unwrap();
    drop(stdin);
    assert_eq!(finish(session).await, (Exit::Code(0), "hello\n".to_owned(), String::new()));
    assert_eq!(finish(watching).await, (Exit::Code(0), "hello\n".to_owned(), "end\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_stay_in_the_container() {
    let Some(bench) = Bench::new() else { return };
    let script = "(sh -c 'sleep 0.2; echo orphan' &) ; sleep 0.5; echo main";
    assert_eq!(run(&bench.sh(script)).await, (Exit::Code(0), "orphan\nmain\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_follow_tail_and_limit() {
    let Some(bench) = Bench::new() else { return };
    let script =
        "for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; head -c 40000 /dev/zero | tr '\\0' x; printf last";
    let container = start(&bench.sh(script)).await;
    let all = text(&container, &LogRequest { follow: true, ..Default::default() }).await;
    assert_eq!(all, format!("line 1\nline 2\nline 3\nline 4\nline 5\n{}last", "x".repeat(40_000)));
    let limited = text(&container, &LogRequest { limit_bytes: Some(10), ..Default::default() }).await;
    assert_eq!(limited, "line 1\nlin");
    let tail = text(&container, &LogRequest { tail_lines: Some(1), ..Default::default() }).await;
    assert!(tail.ends_with("last") && tail.len() < 20_000);
    let timed = text(&container, &LogRequest { timestamps: true, ..Default::default() }).await;
    let (time, line) = timed.lines().nth(2).unwrap().split_once(' ').unwrap();
    assert_eq!(line, "line 3");
    let since = LogRequest { since_time: Some(time.to_owned()), ..Default::default() };
    assert!(text(&container, &since).await.starts_with("line 3\n"));
    let bad = LogRequest { since_time: Some("yesterday".to_owned()), ..Default::default() };
    assert_eq!(container.logs(&bad).err().unwrap().code, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_bounded_on_disk() {
    let Some(bench) = Bench::new() else { return };
    let container = start(&bench.sh("seq 1 1400000 | sed 's/$/ some text to fill the line/'; echo done")).await;
    let follow = text(&container, &LogRequest { follow: true, tail_lines: Some(0), ..Default::default() }).await;
    assert!(follow.ends_with("done\n"));
    let size = |name: &str| fs::metadata(bench.folder.path().join(name)).unwrap().len();
    assert!(size("0.log") <= 11 << 20 && size("0.log.1") <= 11 << 20, "{} {}", size("0.log"), size("0.log.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_start_at_once() {
    let Some(bench) = Bench::new() else { return };
    let begin = Instant::now();
    let specs: Vec<_> = (0..20).map(|n| bench.sh(&format!("exit {n}"))).collect();
    let exits = futures::future::join_all(specs.iter().map(run)).await;
    println!("20 containers started and ended in {:?}", begin.elapsed());
    assert!(exits.iter().enumerate().all(|(n, (exit, _))| exit.code() == i32::try_from(n).unwrap()), "{exits:?}");
}
