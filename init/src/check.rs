//! A connection that proves capture: it is made to one address, and the proxy's port must receive it.
//!
//! Who makes it decides the way. The proxy's own user is not captured, but for a call to its own pod by the pod's address,
//! which comes in again (`ISTIO_IN_REDIRECT`). Every other user's connection to anywhere goes out through the proxy.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use nix::{
    ifaddrs::getifaddrs,
    sys::socket::{getsockopt, sockopt::OriginalDst},
    unistd::geteuid,
};

use crate::settings::{Ranges, Settings};

/// An address for documentation (RFC 5737): nobody has it, so whoever answers was put in between.
const NOBODY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Why capture is not proven.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The proxy's port is taken: a proxy runs already.
    #[error("cannot listen on port {port} to see what is captured")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The pod has no address that a call to itself could go to.
    #[error("this pod has no IPv4 address yet")]
    NoAddress,
    /// The connection went somewhere else, or nowhere.
    #[error("a connection to {target} did not arrive on port {port}: the packet rules are not in force")]
    NotCaptured {
        /// Where it was to go.
        target: SocketAddr,
        /// Where it should have arrived.
        port: u16,
    },
    /// It arrived, but the kernel has forgotten where it was to go.
    #[error("a connection to {target} arrived as one to {found}")]
    WrongTarget {
        /// Where it was to go.
        target: SocketAddr,
        /// What the kernel says.
        found: SocketAddr,
    },
}

/// What a check proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A connection to this address arrived at this port of the proxy.
    Captured(SocketAddr, u16),
    /// These settings capture no connection that this user could make.
    NothingToCapture,
}

/// Makes the connection.
pub fn check(settings: &Settings) -> Result<Proof, CheckError> {
    let user = geteuid().as_raw().to_string();
    let (address, port) = if settings.users.contains(&user) {
        (own_address().ok_or(CheckError::NoAddress)?, settings.inbound_port)
    } else if settings.outbound == Ranges::All {
        (NOBODY, settings.outbound_port)
    } else {
        return Ok(Proof::NothingToCapture);
    };
    let target = SocketAddr::V4(SocketAddrV4::new(address, settings.probe_port));
    prove(target, port, settings.probe_timeout)?;
    Ok(Proof::Captured(target, port))
}

fn prove(target: SocketAddr, port: u16, patience: Duration) -> Result<(), CheckError> {
    let failed = |source| CheckError::Listen { port, source };
    let listener = TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), port)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let caller = thread::spawn(move || TcpStream::connect_timeout(&target, patience));
    let end = Instant::now() + patience;
    let arrived = loop {
        match listener.accept() {
            Ok((stream, _)) => break Some(stream),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(failed(error)),
            Err(_) if Instant::now() >= end || caller.is_finished() && !pending(&listener) => break None,
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    };
    let stream = arrived.ok_or(CheckError::NotCaptured { target, port })?;
    let original = getsockopt(&stream, OriginalDst).map_err(|_| CheckError::NotCaptured { target, port })?;
    let found = SocketAddrV4::new(u32::from_be(original.sin_addr.s_addr).into(), u16::from_be(original.sin_port));
    if SocketAddr::V4(found) == target { Ok(()) } else { Err(CheckError::WrongTarget { target, found: found.into() }) }
}

/// Whether a connection waits. Asked once the caller is done: what has not arrived by then never will.
fn pending(listener: &TcpListener) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::from(50u8)).is_ok_and(|count| count > 0)
}

/// The pod's first address that is not its loopback.
fn own_address() -> Option<Ipv4Addr> {
    let addresses = getifaddrs().ok()?;
    let v4 = addresses.filter_map(|device| device.address?.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::ip));
    let mut v4 = v4.filter(|address| !address.is_loopback());
    v4.next()
}
