//! Containers: processes with their own root, mounts, pids, user and capabilities.
//!
//! ```text
//!  Container::start ── launch ──► a copy of this program (init), as process 1 in the pod's network namespace:
//!        │                          namespaces, rootfs, streams, user, capabilities, exec
//!        ├─ output ◄── pipes or terminal ── the program ──► log file, attached callers
//!        └─ pidfd: wait, signal, exec (joins its namespaces)
//! ```

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tokio::{
    net::unix::pipe,
    process::Child,
    sync::{Mutex, oneshot, watch},
    time,
};

use self::{
    launch::{Birth, Launched, launch},
    log::{Source, Writer},
    order::{Order, Process, Root},
    output::Output,
};
use super::{
    access::{ExecRequest, Exit, LogRequest, LogStream, Session},
    security::Rights,
};
use crate::{net::netns::NetNs, status::Status};

mod capability;
pub mod init;
mod launch;
mod log;
mod order;
mod output;
pub mod reap;
mod rootfs;
mod session;
mod sys;

/// All that is needed to start one container; every value is final.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// The pod's host name.
    pub hostname: String,
    /// The pod's network.
    pub netns: NetNs,
    /// Program and arguments. A program without a slash is looked up in the container's PATH.
    pub command: Vec<String>,
    /// The environment, complete and in order.
    pub env: Vec<(String, String)>,
    /// Working directory, made if missing; "/" by default.
    pub cwd: PathBuf,
    /// As whom it runs, and what it may.
    pub rights: Rights,
    /// What to bind into the container; targets are made as needed.
    pub mounts: Vec<Mount>,
    /// Give the main process a terminal.
    pub tty: bool,
    /// Keep standard input open for `attach`.
    pub stdin: bool,
    /// End standard input when the first attached caller has ended his.
    pub stdin_once: bool,
    /// Where its output is kept, in CRI log format (time, stream, F|P, text).
    pub log: PathBuf,
}

/// One bind mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// A file or folder on this machine.
    pub source: PathBuf,
    /// Where the container sees it.
    pub target: PathBuf,
    /// Read-only.
    pub read_only: bool,
}

/// A container that was started. Clones are the same container.
#[derive(Clone, Debug)]
pub struct Container {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    pid: u32,
    /// Process 1.
    main: Arc<OwnedFd>,
    process: Process,
    log: PathBuf,
    output: Arc<Output>,
    stdin: Arc<Mutex<Option<pipe::Sender>>>,
    stdin_once: bool,
    terminal: Option<OwnedFd>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Container {
    /// Starts the main process. An error says what failed, in words for an event
    /// (`exec: "foo": executable file not found in $PATH`); its kind is `NotFound` or `PermissionDenied` where that fits.
    pub async fn start(spec: &ContainerSpec) -> io::Result<Self> {
        Self::start_with(Path::new("/proc/self/exe"), spec).await
    }

    /// As [`Container::start`], for a process that is not itself localkube: `program` is, or another whose `main`
    /// begins with [`init::is_asked_for`].
    pub async fn start_with(program: &Path, spec: &ContainerSpec) -> io::Result<Self> {
        let process = spec.process()?;
        let output = Arc::new(Output::new(Writer::open(&spec.log)?));
        let (streams, pipes) = if spec.tty { (Vec::new(), None) } else { session::pipes(spec.stdin, true, true)? };
        let scratch = session::beside(&spec.log, "root");
        fs::create_dir_all(&scratch)?;
        let order = Order { root: Some(spec.root(&scratch)), process: process.clone() };
        let launched = launch(program, order, Birth::New(spec.netns.clone()), streams).await;
        // The container has left this folder: what it mounted here is its root now.
        fs::remove_dir(&scratch)?;
        let Launched { child, process: main, terminal } = launched?;
        let pid = child.id().unwrap_or_default();
        let (stdin, readers) = match (&terminal, pipes) {
            (Some(terminal), _) => {
                let (stdin, stdout) = session::terminal_streams(terminal)?;
                (spec.stdin.then_some(stdin), [Some(stdout), None])
            }
            (None, Some(pipes)) => (pipes.stdin, [pipes.stdout, pipes.stderr]),
            (None, None) => return Err(io::Error::other("the container has no terminal, but was to have one")),
        };
        let (sender, exit) = watch::channel(None);
        tokio::spawn(see_out(child, Arc::clone(&output), readers, sender));
        let stdin = Arc::new(Mutex::new(stdin));
        let (program, log, stdin_once) = (program.to_owned(), spec.log.clone(), spec.stdin_once);
        let inner = Inner { program, pid, main, process, log, output, stdin, stdin_once, terminal, exit };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The main process's number in the daemon's PID namespace; stale once the container has ended.
    pub fn pid(&self) -> u32 {
        self.inner.pid
    }

    /// Waits for the main process to end and its output to be in the log; any number of callers, also after the end.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.inner.exit.clone();
        let ended = exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        // The sender goes without a word only when the runtime is shut down.
        ended.unwrap_or(Exit::Signal(Signal::SIGKILL as i32))
    }

    /// Sends a signal to the main process; an ended one is no error.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = sys::pidfd_signal(self.inner.main.as_fd(), signal) {
            tracing::debug!(pid = self.inner.pid, %signal, %error, "no signal sent: the container has ended");
        }
    }

    /// Runs a further process in the container, with the main one's user, environment and folder. When the caller
    /// drops [`Session::exit`], the process is killed. Errors are worded as for [`Container::start`].
    pub async fn exec(&self, request: &ExecRequest) -> io::Result<Session> {
        let process = Process { command: request.command.clone(), tty: request.tty, ..self.inner.process.clone() };
        let (streams, pipes) = if request.tty {
            (Vec::new(), None)
        } else {
            session::pipes(request.stdin, request.stdout, request.stderr)?
        };
        let birth = Birth::Join(Arc::clone(&self.inner.main));
        let order = Order { root: None, process };
        let launched = match launch(&self.inner.program, order, birth, streams).await {
            Err(_) if self.inner.exit.borrow().is_some() => return Err(io::Error::other("the container has ended")),
            launched => launched?,
        };
        session::of_process(launched, pipes, request)
    }

    /// Connects to the main process's streams. Its end comes when the container ends.
    pub async fn attach(&self, request: &ExecRequest) -> io::Result<Session> {
        let output = &self.inner.output;
        let stdout = if request.stdout { Some(output.listen(Source::Stdout).await) } else { None };
        let stderr =
            if request.stderr && !self.inner.process.tty { Some(output.listen(Source::Stderr).await) } else { None };
        let resize = match &self.inner.terminal {
            Some(terminal) if request.tty => Some(session::resizer(terminal.try_clone()?)),
            _ => None,
        };
        let stdin = request.stdin.then(|| session::shared_stdin(Arc::clone(&self.inner.stdin), self.inner.stdin_once));
        let (sender, exit) = oneshot::channel();
        let container = self.clone();
        tokio::spawn(async move { sender.send(container.wait().await) });
        Ok(Session {
            stdin: stdin.map(|stdin| Box::pin(stdin) as _),
            stdout: stdout.map(|stdout| Box::pin(stdout) as _),
            stderr: stderr.map(|stderr| Box::pin(stderr) as _),
            resize,
            exit,
        })
    }

    /// The container's log; with `follow`, until it ends.
    pub fn logs(&self, request: &LogRequest) -> Result<LogStream, Status> {
        log::read(&self.inner.log, request, Some(self.inner.output.ended()))
    }
}

/// The log of a container that has ended, at the path of its [`ContainerSpec::log`].
pub fn ended_logs(path: &Path, request: &LogRequest) -> Result<LogStream, Status> {
    log::read(path, request, None)
}

impl ContainerSpec {
    fn process(&self) -> io::Result<Process> {
        let rights = &self.rights;
        let capabilities = if rights.privileged {
            u64::MAX
        } else {
            capability::mask(&rights.capabilities)
                .map_err(|name| io::Error::other(format!("securityContext.capabilities: unknown name {name:?}")))?
        };
        Ok(Process {
            command: self.command.clone(),
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            uid: rights.uid,
            gid: rights.gid,
            groups: rights.groups.clone(),
            capabilities,
            no_new_privileges: rights.no_new_privileges,
            tty: self.tty,
        })
    }

    fn root(&self, scratch: &Path) -> Root {
        Root {
            scratch: scratch.to_owned(),
            hostname: self.hostname.clone(),
            read_only: self.rights.read_only_root,
            privileged: self.rights.privileged,
            cwd: self.cwd.clone(),
            mounts: self.mounts.clone(),
        }
    }
}

/// How long to wait for output when the process has ended; all its descendants have too, so it is there already.
const DRAIN: Duration = Duration::from_secs(1);

async fn see_out(
    mut child: Child,
    output: Arc<Output>,
    [stdout, stderr]: [Option<pipe::Receiver>; 2],
    exit: watch::Sender<Option<Exit>>,
) {
    let pumps = tokio::spawn(async move {
        let pump = async |source, stream| {
            if let Some(stream) = stream {
                output.pump(source, stream).await;
            }
        };
        tokio::join!(pump(Source::Stdout, stdout), pump(Source::Stderr, stderr));
        output.end();
    });
    let status = child.wait().await;
    if time::timeout(DRAIN, pumps).await.is_err() {
        tracing::warn!("a container's output went on after its end");
    }
    exit.send_replace(Some(session::exit_of(status)));
}
