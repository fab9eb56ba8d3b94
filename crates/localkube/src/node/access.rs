//! What the API server asks of a node on behalf of a person: run, look, listen.
//!
//! The seam between the API's streaming endpoints (`exec`, `attach`, `log`, `portforward`) and the node agent.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use futures::{Stream, future::BoxFuture};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{mpsc, oneshot},
};

use crate::status::Status;

/// A container of a pod, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container; "" for the default one (`kubectl.kubernetes.io/default-container`, else the first).
    pub container: String,
}

/// What to run by `exec`, and which streams to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// The command and its arguments. Empty for `attach`.
    pub command: Vec<String>,
    /// Connect standard input.
    pub stdin: bool,
    /// Connect standard output.
    pub stdout: bool,
    /// Connect standard error (never together with `tty`).
    pub stderr: bool,
    /// Give the process a terminal.
    pub tty: bool,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// The code as a shell and the kubelet count it: 128 + n for signal n.
    pub fn code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// The caller's ends of a process's streams.
pub struct Session {
    /// Write here what the process reads; drop it for end of file. None when not asked for.
    pub stdin: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    /// What the process prints (with a terminal: everything).
    pub stdout: Option<Pin<Box<dyn AsyncRead + Send>>>,
    /// What it prints on standard error.
    pub stderr: Option<Pin<Box<dyn AsyncRead + Send>>>,
    /// Terminal sizes (columns, rows), when there is a terminal.
    pub resize: Option<mpsc::Sender<(u16, u16)>>,
    /// Resolves when the process has ended.
    pub exit: oneshot::Receiver<Exit>,
}

/// `GET .../log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// Go on as lines come.
    pub follow: bool,
    /// The instance before the present one.
    pub previous: bool,
    /// Begin each line with its time.
    pub timestamps: bool,
    /// Only the last so many lines.
    pub tail_lines: Option<usize>,
    /// At most so many bytes.
    pub limit_bytes: Option<usize>,
    /// Only lines newer than this many seconds.
    pub since_seconds: Option<i64>,
    /// Only lines at or after this time (RFC 3339).
    pub since_time: Option<String>,
}

/// Log text as it comes.
pub type LogStream = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// A node agent, or all of them behind one door: it finds the node by the pod.
/// Errors are `Status`es with the kubelet's texts (`container not found ("x")`, pod not running, no such container, ...).
pub trait NodeAccess: Send + Sync + 'static {
    /// Runs a command in a running container.
    fn exec(&self, target: Target, request: ExecRequest) -> BoxFuture<'_, Result<Session, Status>>;
    /// Connects to a running container's main process.
    fn attach(&self, target: Target, request: ExecRequest) -> BoxFuture<'_, Result<Session, Status>>;
    /// A container's log.
    fn logs(&self, target: Target, request: LogRequest) -> BoxFuture<'_, Result<LogStream, Status>>;
    /// Connects to `port` on the pod's loopback (as port-forward does).
    fn dial(&self, target: Target, port: u16) -> BoxFuture<'_, Result<TcpStream, Status>>;
}

/// A shared [`NodeAccess`].
pub type SharedAccess = Arc<dyn NodeAccess>;
