//! What the daemon tells the re-executed copy of itself, and how: JSON and descriptors through one socket.
//!
//! ```text
//!  daemon ── 1 byte + descriptors ─► set-up copy      (stdin, stdout, stderr; the container's pidfd first, to join one)
//!         ── JSON of the order, end ─►
//!         ◄─ 'T' + terminal ────────                  (when a terminal was asked for)
//!         ◄─ 'R', end ──────────────                  ready: the program runs now, for exec closed the socket
//!         ◄─ 'E', class, text, end ─                  or what failed; after 'R' too, if it was exec itself
//! ```

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::{Deserialize, Serialize};

use super::{Mount, sys};

/// One process to set up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The file system to make; None to join the container whose pidfd is sent along.
    pub(super) root: Option<Root>,
    /// What runs, and as whom.
    pub(super) process: Process,
}

/// A root file system of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Root {
    /// An empty folder of this machine to build on.
    pub(super) scratch: PathBuf,
    pub(super) hostname: String,
    pub(super) read_only: bool,
    pub(super) privileged: bool,
    pub(super) cwd: PathBuf,
    pub(super) mounts: Vec<Mount>,
}

/// A program and its rights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) command: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) cwd: PathBuf,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) groups: Vec<u32>,
    /// Bit n stands for capability n.
    pub(super) capabilities: u64,
    pub(super) no_new_privileges: bool,
    pub(super) tty: bool,
}

/// Sends an order and closes this direction.
pub(super) fn send(socket: &UnixStream, order: &Order, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_descriptors(socket, b'O', descriptors)?;
    let mut text = serde_json::to_vec(order)?;
    text.push(b'\n');
    (&*socket).write_all(&text)?;
    socket.shutdown(Shutdown::Write)
}

/// Receives an order.
pub(super) fn receive(socket: &UnixStream) -> io::Result<(Order, Vec<OwnedFd>)> {
    let (_, descriptors) = receive_descriptors(socket)?;
    let mut text = Vec::new();
    (&*socket).read_to_end(&mut text)?;
    Ok((serde_json::from_slice(&text)?, descriptors))
}

/// Sends one byte with descriptors.
pub(super) fn send_descriptors(socket: &UnixStream, tag: u8, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&[tag])], control, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one byte (None at the end) with the descriptors sent along.
pub(super) fn receive_descriptors(socket: &UnixStream) -> io::Result<(Option<u8>, Vec<OwnedFd>)> {
    let mut byte = [0];
    let mut control = nix::cmsg_space!([std::os::fd::RawFd; 4]);
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = part {
            descriptors.extend(raw.into_iter().map(sys::received));
        }
    }
    let tag = (message.bytes > 0).then_some(byte[0]);
    Ok((tag, descriptors))
}

/// Reports a failure to the daemon, with its class, which the wire keeps as one letter.
pub(super) fn send_failure(socket: &UnixStream, error: &io::Error) -> io::Result<()> {
    let class = match error.kind() {
        io::ErrorKind::NotFound => 'N',
        io::ErrorKind::PermissionDenied => 'P',
        _ => 'O',
    };
    (&*socket).write_all(format!("E{class}{error}").as_bytes())
}

/// Reads what [`send_failure`] wrote, after its first letter.
pub(super) fn receive_failure(socket: &UnixStream) -> io::Result<io::Error> {
    let mut text = String::new();
    (&*socket).read_to_string(&mut text)?;
    let kind = match text.chars().next() {
        Some('N') => io::ErrorKind::NotFound,
        Some('P') => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    Ok(io::Error::new(kind, text.get(1..).unwrap_or_default().to_owned()))
}
