//! A network namespace without a name: it lives as long as a handle or a process in it does.

use std::{
    fs::File,
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    sync::Arc,
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

/// A handle on a network namespace.
#[derive(Clone, Debug)]
pub struct NetNs {
    file: Arc<File>,
}

impl NetNs {
    /// Makes a new namespace with nothing in it but a loopback interface that is down.
    pub fn create() -> io::Result<Self> {
        on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        })
        .map(|file| Self { file: Arc::new(file) })
    }

    /// The namespace of this process.
    pub fn current() -> io::Result<Self> {
        Ok(Self { file: Arc::new(File::open("/proc/self/ns/net")?) })
    }

    /// A path that names this namespace for programs started by this process (`ip link set X netns PATH`).
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Runs `task` on a thread of its own inside the namespace. Programs that it spawns start there too.
    pub fn run<T: Send>(&self, task: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_own_thread(|| {
            setns(&*self.file, CloneFlags::CLONE_NEWNET)?;
            task()
        })
    }

    /// Listens for TCP inside the namespace.
    pub fn listen_tcp(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let listener = self.run(|| {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(1024)?;
            socket.set_nonblocking(true)?;
            Ok(std::net::TcpListener::from(socket))
        })?;
        TcpListener::from_std(listener)
    }

    /// Opens a UDP socket inside the namespace.
    pub fn bind_udp(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = self.run(|| {
            let socket = std::net::UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        })?;
        UdpSocket::from_std(socket)
    }

    /// Connects by TCP from inside the namespace.
    pub async fn connect_tcp(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = self.run(|| match address {
            SocketAddr::V4(_) => Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)),
            SocketAddr::V6(_) => Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)),
        })?;
        socket.set_nonblocking(true)?;
        TcpSocket::from_std_stream(std::net::TcpStream::from(socket)).connect(address).await
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A namespace is a property of a thread, and tokio's workers are shared: so every such step gets a thread of its own.
fn on_own_thread<T: Send>(task: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| scope.spawn(task).join().unwrap_or_else(|_| Err(io::Error::other("the thread panicked"))))
}
