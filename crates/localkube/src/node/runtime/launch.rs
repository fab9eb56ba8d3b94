//! The daemon's side of starting a process in namespaces that are not its own.
//!
//! Namespaces are a thread's, and `unshare(CLONE_NEWPID)` moves only the children born next. So each start has a thread
//! of its own, whose first and only child is the container's process 1.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::Stdio,
    sync::Arc,
    thread,
};

use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::{
        signal::Signal,
        socket::{AddressFamily, SockFlag, SockType, socketpair},
    },
};
use tokio::{
    process::{Child, Command},
    runtime::Handle,
    task,
};

use super::{
    init,
    order::{self, Order},
    sys,
};
use crate::net::netns::NetNs;

/// A process that runs its program.
pub(super) struct Launched {
    /// To wait for its end.
    pub(super) child: Child,
    /// To signal it, and to join its namespaces.
    pub(super) process: Arc<OwnedFd>,
    /// Its terminal, if one was asked for.
    pub(super) terminal: Option<OwnedFd>,
}

/// Where a process is born.
pub(super) enum Birth {
    /// In this network, as process 1 of a new PID namespace.
    New(NetNs),
    /// In the PID namespace of this process, whose other namespaces it then joins.
    Join(Arc<OwnedFd>),
}

/// Starts a process by a copy of `program`, this program. `streams` become its stdin, stdout and stderr.
pub(super) async fn launch(program: &Path, order: Order, birth: Birth, streams: Vec<OwnedFd>) -> io::Result<Launched> {
    let (runtime, program) = (Handle::current(), program.to_owned());
    let task = move || {
        let born = || {
            let _runtime = runtime.enter();
            if let Birth::Join(container) = &birth {
                setns(container, CloneFlags::CLONE_NEWPID)?;
            } else {
                unshare(CloneFlags::CLONE_NEWPID)?;
            }
            spawn(&program)
        };
        let ((child, socket), joined) = match &birth {
            Birth::New(netns) => (netns.run(born)?, None),
            Birth::Join(container) => {
                let thread = || thread::scope(|scope| scope.spawn(born).join());
                (thread().map_err(|_| io::Error::other("the thread panicked"))??, Some(container.as_fd()))
            }
        };
        let descriptors: Vec<BorrowedFd<'_>> = joined.into_iter().chain(streams.iter().map(AsFd::as_fd)).collect();
        instruct(child, &socket, &order, &descriptors)
    };
    task::spawn_blocking(task).await.map_err(io::Error::other)?
}

fn spawn(program: &Path) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
    let child = Command::new(program)
        .arg(init::SUBCOMMAND)
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env_clear()
        .current_dir("/")
        // What nobody waits for any more ends: a runtime takes its containers with it.
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, UnixStream::from(ours)))
}

fn instruct(
    mut child: Child,
    socket: &UnixStream,
    order: &Order,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<Launched> {
    let pid = child.id().ok_or_else(|| io::Error::other("the process ended at once"))?;
    let process = Arc::new(sys::pidfd_open(pid)?);
    match order::send(socket, order, descriptors).and_then(|()| answer(socket)) {
        Ok(terminal) => Ok(Launched { child, process, terminal }),
        Err(error) => {
            // It ends by itself; the signal is for one that hangs, and an ended one needs none.
            let _ended = sys::pidfd_signal(process.as_fd(), Signal::SIGKILL);
            Handle::current().spawn(async move { child.wait().await });
            Err(error)
        }
    }
}

/// Reads until the socket is closed, which exec does. Ready and then nothing is success.
fn answer(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let (mut terminal, mut ready) = (None, false);
    loop {
        match order::receive_descriptors(socket)? {
            (Some(b'T'), descriptors) => terminal = descriptors.into_iter().next(),
            (Some(b'R'), _) => ready = true,
            (Some(_), _) => return Err(order::receive_failure(socket)?),
            (None, _) if ready => return Ok(terminal),
            (None, _) => return Err(io::Error::other("the process ended while it was being set up")),
        }
    }
}
