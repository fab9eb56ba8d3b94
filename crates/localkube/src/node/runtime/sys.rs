//! The system calls for which no safe wrapper exists here; nothing else may be unsafe.
#![allow(unsafe_code, reason = "thin wrappers of system calls; each says why its call is sound")]

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    ptr,
};

use nix::{
    libc,
    sys::signal::{SigHandler, Signal, signal},
};

fn checked(result: libc::c_long) -> io::Result<RawFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(result).map_err(io::Error::other)
}

/// A handle on a process that no later process of the same number can take over. Close-on-exec.
pub(super) fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is passed; the descriptor that comes back is new and belongs to nobody else.
    unsafe { Ok(OwnedFd::from_raw_fd(checked(libc::syscall(libc::SYS_pidfd_open, pid, 0))?)) }
}

/// Sends a signal to the process behind a pidfd.
pub(super) fn pidfd_signal(process: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let no_info = ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo is allowed; the descriptor is borrowed, so it is open.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal as libc::c_int, no_info, 0) };
    checked(result).map(drop)
}

/// Takes over a descriptor that `recvmsg` delivered.
pub(super) fn received(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the kernel made this descriptor for this process in `recvmsg`; the caller got it from there alone.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

/// Makes a mount read-only, with all mounts below it if `recursive`. Other flags stay (they may be locked).
pub(super) fn seal(path: &Path, recursive: bool) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let change = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: path is a C string and `change` a mount_attr of the size given; both outlive the call.
    let result = unsafe {
        let size = size_of::<libc::mount_attr>();
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path.as_ptr(), flags, &raw const change, size)
    };
    checked(result).map(drop)
}

/// Drops every capability that is not in `keep` (bit n = capability n) from the bounding set, and empties the
/// inheritable and the ambient set.
pub(super) fn limit_capabilities(keep: u64) -> io::Result<()> {
    // SAFETY: prctl with these operations takes numbers only.
    unsafe {
        checked(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0).into())?;
        for capability in 0..64 {
            let known = libc::prctl(libc::PR_CAPBSET_READ, capability, 0, 0, 0);
            if known == 1 && keep & (1 << capability) == 0 {
                checked(libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0).into())?;
            }
        }
    }
    Ok(())
}

/// Sets the thread's effective and permitted capabilities to those it has and that are in `keep`; inheritable to none.
pub(super) fn set_capabilities(keep: u64) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Data {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 reads and writes two data blocks, and that is what `data` holds; the layouts are the kernel's.
    unsafe {
        checked(libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()))?;
        for (index, half) in data.iter_mut().enumerate() {
            let keep = u32::try_from((keep >> (32 * index)) & u64::from(u32::MAX)).unwrap_or(0);
            let kept = half.permitted & keep;
            *half = Data { effective: kept, permitted: kept, inheritable: 0 };
        }
        checked(libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr())).map(drop)
    }
}

/// Gives every signal its default action; the Rust runtime ignores SIGPIPE, and a shell may have had others ignored.
pub(super) fn default_signals() {
    for one in Signal::iterator().filter(|one| !matches!(one, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: SIG_DFL installs no handler. The two signals that refuse are left out, so no error can matter.
        let _was = unsafe { signal(one, SigHandler::SigDfl) };
    }
}

/// Marks all descriptors from 3 on close-on-exec.
pub(super) fn close_others_on_exec() -> io::Result<()> {
    // SAFETY: only flags change; no descriptor is closed now.
    checked(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Makes a terminal the controlling one of this session.
pub(super) fn control_terminal(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the request takes a number.
    checked(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }.into()).map(drop)
}

/// Tells a terminal its size.
pub(super) fn resize_terminal(terminal: impl AsFd, columns: u16, rows: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request reads one winsize, which outlives the call.
    checked(unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }.into()).map(drop)
}
