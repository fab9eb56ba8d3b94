//! The ends of a process's streams that stay with the daemon.

use std::{
    ffi::OsString,
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::signal::Signal,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::unix::pipe,
    sync::{Mutex, mpsc, oneshot},
};

use super::{launch::Launched, sys};
use crate::node::access::{ExecRequest, Exit, Session};

/// Our ends of pipes.
#[derive(Default)]
pub(super) struct Pipes {
    pub(super) stdin: Option<pipe::Sender>,
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
}

/// Three streams for a process, and our ends; what is not wanted is `/dev/null`.
pub(super) fn pipes(stdin: bool, stdout: bool, stderr: bool) -> io::Result<(Vec<OwnedFd>, Option<Pipes>)> {
    let mut ours = Pipes::default();
    let mut theirs = Vec::with_capacity(3);
    if stdin {
        let (sender, receiver) = pipe::pipe()?;
        ours.stdin = Some(sender);
        theirs.push(receiver.into_blocking_fd()?);
    } else {
        theirs.push(OwnedFd::from(File::open("/dev/null")?));
    }
    for (wanted, end) in [(stdout, &mut ours.stdout), (stderr, &mut ours.stderr)] {
        if wanted {
            let (sender, receiver) = pipe::pipe()?;
            *end = Some(receiver);
            theirs.push(sender.into_blocking_fd()?);
        } else {
            theirs.push(OwnedFd::from(File::options().write(true).open("/dev/null")?));
        }
    }
    Ok((theirs, Some(ours)))
}

/// A terminal, to write to and to read from. (What tokio calls a pipe is any descriptor that can be waited for.)
pub(super) fn terminal_streams(terminal: &OwnedFd) -> io::Result<(pipe::Sender, pipe::Receiver)> {
    fcntl(terminal, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
    let sender = pipe::Sender::from_owned_fd_unchecked(terminal.try_clone()?)?;
    Ok((sender, pipe::Receiver::from_owned_fd_unchecked(terminal.try_clone()?)?))
}

/// Takes sizes for a terminal until the last sender is gone.
pub(super) fn resizer(terminal: OwnedFd) -> mpsc::Sender<(u16, u16)> {
    let (sender, mut sizes) = mpsc::channel(4);
    tokio::spawn(async move {
        while let Some((columns, rows)) = sizes.recv().await {
            if let Err(error) = sys::resize_terminal(&terminal, columns, rows) {
                tracing::debug!(%error, "a terminal was not resized");
            }
        }
    });
    sender
}

/// A writer to a standard input that several callers may write to; with `once`, the first one's end is its end.
pub(super) fn shared_stdin(stdin: Arc<Mutex<Option<pipe::Sender>>>, once: bool) -> DuplexStream {
    let (theirs, mut ours) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let mut buffer = vec![0; 8 * 1024];
        while let Ok(count @ 1..) = ours.read(&mut buffer).await {
            let mut stdin = stdin.lock().await;
            let Some(open) = stdin.as_mut() else { break };
            if open.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
        if once {
            stdin.lock().await.take();
        }
    });
    theirs
}

/// The session of a process of its own; it is killed when nobody waits for its end any more.
pub(super) fn of_process(launched: Launched, pipes: Option<Pipes>, request: &ExecRequest) -> io::Result<Session> {
    let Launched { mut child, process, terminal } = launched;
    let mut resize = None;
    let pipes = match (terminal, pipes) {
        (Some(terminal), _) => {
            let (stdin, stdout) = terminal_streams(&terminal)?;
            resize = Some(resizer(terminal));
            Pipes { stdin: request.stdin.then_some(stdin), stdout: Some(stdout), stderr: None }
        }
        (None, pipes) => pipes.unwrap_or_default(),
    };
    let (mut sender, exit) = oneshot::channel();
    tokio::spawn(async move {
        let status = tokio::select! {
            status = child.wait() => status,
            () = sender.closed() => {
                // An ended one needs no signal.
                let _ended = sys::pidfd_signal(process.as_fd(), Signal::SIGKILL);
                child.wait().await
            }
        };
        // The caller may have gone meanwhile.
        let _unheard = sender.send(exit_of(status));
    });
    Ok(Session {
        stdin: pipes.stdin.map(|stdin| Box::pin(stdin) as _),
        stdout: pipes.stdout.map(|stdout| Box::pin(stdout) as _),
        stderr: pipes.stderr.map(|stderr| Box::pin(stderr) as _),
        resize,
        exit,
    })
}

/// How a process ended. A status that got lost counts as a kill: nobody knows better.
pub(super) fn exit_of(status: io::Result<ExitStatus>) -> Exit {
    let code = status.as_ref().ok().and_then(ExitStatus::code);
    let signal = status.as_ref().ok().and_then(ExitStatusExt::signal);
    code.map(Exit::Code).unwrap_or(Exit::Signal(signal.unwrap_or(Signal::SIGKILL as i32)))
}

/// The path of a companion of `path`: `<path>.<suffix>`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}
