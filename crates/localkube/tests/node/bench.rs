//! What the tests of containers share.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use futures::StreamExt;
use localkube::{
    net::netns::NetNs,
    node::{
        access::{ExecRequest, Exit, LogRequest, Session},
        runtime::{Container, ContainerSpec},
        security::Rights,
    },
};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, time};

const PROGRAM: &str = env!("CARGO_BIN_EXE_localkube");

/// A folder for logs and mounts, and a network. None, with a word about it, when this is not root.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) netns: NetNs,
    /// Numbers the logs.
    specs: Cell<usize>,
}

impl Bench {
    pub(crate) fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("not run: containers need root");
            return None;
        }
        Some(Self { folder: TempDir::new().unwrap(), netns: NetNs::create().unwrap(), specs: Cell::new(0) })
    }

    /// Brings the network's loopback up.
    pub(crate) fn loopback(&self) {
        let up = self.netns.run(|| Command::new("ip").args(["link", "set", "lo", "up"]).status());
        assert!(up.unwrap().success());
    }

    pub(crate) fn spec(&self, command: &[&str]) -> ContainerSpec {
        let default = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"];
        let more = ["NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"];
        ContainerSpec {
            hostname: "reviews-v1".to_owned(),
            netns: self.netns.clone(),
            command: command.iter().map(|part| (*part).to_owned()).collect(),
            env: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())],
            cwd: PathBuf::from("/"),
            rights: Rights {
                capabilities: default.iter().chain(&more).map(|name| (*name).to_owned()).collect(),
                ..Rights::default()
            },
            mounts: Vec::new(),
            tty: false,
            stdin: false,
            stdin_once: false,
            log: self.folder.path().join(format!("{}.log", self.specs.replace(self.specs.get() + 1))),
        }
    }

    pub(crate) fn sh(&self, script: &str) -> ContainerSpec {
        self.spec(&["sh", "-c", script])
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

pub(crate) async fn start(spec: &ContainerSpec) -> Container {
    Container::start_with(Path::new(PROGRAM), spec).await.unwrap()
}

pub(crate) async fn refusal(spec: &ContainerSpec) -> String {
    Container::start_with(Path::new(PROGRAM), spec).await.unwrap_err().to_string()
}

/// Starts, waits for the end, and gives all that was printed.
pub(crate) async fn run(spec: &ContainerSpec) -> (Exit, String) {
    let container = start(spec).await;
    let exit = time::timeout(Duration::from_secs(20), container.wait()).await.expect("the container should end");
    (exit, text(&container, &LogRequest::default()).await)
}

pub(crate) async fn text(container: &Container, request: &LogRequest) -> String {
    let chunks: Vec<_> = container.logs(request).unwrap().collect().await;
    String::from_utf8(chunks.concat()).unwrap()
}

pub(crate) fn exec(command: &[&str]) -> ExecRequest {
    let command = command.iter().map(|part| (*part).to_owned()).collect();
    ExecRequest { command, stdout: true, stderr: true, ..ExecRequest::default() }
}

pub(crate) async fn finish(mut session: Session) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    if let Some(stdout) = &mut session.stdout {
        // A terminal ends with an error.
        let _end = stdout.read_to_end(&mut out).await;
    }
    if let Some(stderr) = &mut session.stderr {
        stderr.read_to_end(&mut err).await.unwrap();
    }
    let exit = session.exit.await.unwrap();
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}
