//! A worker: one thread that carries traffic, with everything that it needs for that within reach.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io,
    net::SocketAddr,
    ops::Deref,
    rc::Rc,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use mesh_snapshot::{Cluster, Discovery, Listener, PickContext, Snapshot, Tick};
use rustc_hash::{FxHashMap, FxHashSet};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::TcpListener,
    runtime::{Builder, LocalOptions},
    sync::oneshot,
    task::AbortHandle,
    time::{MissedTickBehavior, interval},
};

use super::{
    Shared, accept,
    dns::{Destinations, NoAddress},
    logs::LogBuffer,
    reasons::Misses,
    stats::ListenerStats,
    telemetry::Recorder,
    upstream::Upstreams,
};

/// How often a worker looks after its idle connections and hands over its logs.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Connections that wait to be accepted, at most, as the kernel allows.
const BACKLOG: i32 = 4096;

/// One thread's share of the data plane. It is never shared between threads, so nothing in it locks.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) recorder: Recorder,
    pub(crate) log: LogBuffer,
    pub(crate) misses: Arc<Misses>,
    pub(crate) upstreams: Upstreams,
    snapshot: RefCell<Rc<Pinned>>,
    generation: Cell<u64>,
    random: Cell<u64>,
    listening: RefCell<FxHashMap<Door, AbortHandle>>,
    /// Those that could not be opened when it was last tried.
    closed: RefCell<FxHashSet<Door>>,
}

/// A listener's name and one of its addresses: what a socket is opened for.
type Door = (Arc<str>, SocketAddr);

/// A snapshot whose readers on this thread are counted by this thread alone, so that threads do not wait for one count.
#[derive(Debug)]
pub(crate) struct Pinned(Arc<Snapshot>);

impl Deref for Pinned {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

/// A worker's thread. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("a worker has panicked");
        }
    }
}

/// Starts a worker.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn start(shared: Arc<Shared>, number: usize) -> io::Result<Running> {
    let (stop, stopped) = oneshot::channel();
    let (tell, told) = mpsc::channel();
    let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        // Made where it runs: it cannot leave its thread, and so wakes its tasks without looking at other threads.
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            // Whoever starts it waits for the word.
            Err(error) => return drop(tell.send(error)),
        };
        drop(tell);
        runtime.block_on(async {
            let worker = Worker::new(shared);
            tokio::select! {
                () = worker.run() => {}
                _ = stopped => {}
            }
            worker.log.flush();
        });
    })?;
    match told.recv() {
        Ok(error) => Err(error),
        Err(_) => Ok(Running { stop: Some(stop), thread: Some(thread) }),
    }
}

/// Runs a task on the worker's own thread.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) -> AbortHandle {
    tokio::task::spawn_local(task).abort_handle()
}

impl Worker {
    /// With what all threads share.
    pub(crate) fn new(shared: Arc<Shared>) -> Rc<Self> {
        Rc::new(Self {
            recorder: Recorder::new(shared.telemetry.clone()),
            log: shared.logs.buffer(),
            misses: shared.reasons.memory(),
            upstreams: Upstreams::default(),
            snapshot: RefCell::new(Rc::new(Pinned(shared.world.current()))),
            generation: Cell::new(shared.world.generation()),
            random: Cell::new(rand::random()),
            listening: RefCell::default(),
            closed: RefCell::default(),
            shared,
        })
    }

    /// Follows the snapshot's listeners until the runtime ends.
    async fn run(self: &Rc<Self>) {
        let mut published = self.shared.world.published();
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut started = false;
        loop {
            self.follow_listeners();
            // A mesh may have no listener with a socket of its own.
            if !started && self.generation.get() > 0 {
                started = true;
                self.shared.life.worker_started();
            }
            tokio::select! {
                changed = published.changed() => if changed.is_err() { return },
                _ = housekeeping.tick() => {
                    self.upstreams.tidy(self);
                    self.log.flush();
                }
            }
        }
    }

    /// The snapshot in force.
    pub(crate) fn snapshot(&self) -> Rc<Pinned> {
        let generation = self.shared.world.generation();
        if generation != self.generation.get() {
            self.snapshot.replace(Rc::new(Pinned(self.shared.world.current())));
            self.generation.set(generation);
        }
        self.snapshot.borrow().clone()
    }

    /// A cluster of the snapshot; one whose endpoints are names is resolved first, if nobody has asked for it yet.
    pub(crate) async fn cluster(&self, snapshot: &Snapshot, name: &str) -> Option<Arc<Cluster>> {
        let cluster = snapshot.cluster(name)?;
        let by_name = matches!(cluster.config.discovery, Discovery::Dns { .. });
        // What was resolved since the snapshot was taken is in the next one; waiting for it ends at once.
        if by_name && (self.shared.names.want(&cluster.config) || cluster.hosts().next().is_none()) {
            let world = self.shared.names.wait(&self.shared.world, &cluster.config).await;
            return world.cluster(name).cloned();
        }
        Some(cluster.clone())
    }

    /// Where a cluster goes for a caller who dialled an address and asks for a host (`Host`, or the server name of TLS).
    /// Only dynamic clusters look at the latter, and wait until it is known.
    pub(crate) async fn destinations(
        &self,
        cluster: &Cluster,
        asked: &str,
        dialled: SocketAddr,
    ) -> Result<Destinations, NoAddress> {
        let Discovery::Dynamic(dynamic) = &cluster.config.discovery else { return Ok(Destinations::Dialled(dialled)) };
        let found = self.shared.names.look_up(&cluster.config, dynamic, asked).await?;
        let first = usize::try_from(self.random() % found.len() as u64).unwrap_or_default();
        Ok(Destinations::Named(found, first))
    }

    /// What the first choice of an endpoint is made from, for a call that was going there.
    pub(crate) fn pick_for(&self, destination: SocketAddr) -> PickContext<'static> {
        PickContext {
            now: self.now(),
            random: self.random(),
            hash: None,
            original_destination: Some(destination),
            tried: &[],
            avoid: 0,
        }
    }

    /// A random number (xorshift64*): good enough to choose by, and free of locks.
    pub(crate) fn random(&self) -> u64 {
        let mut x = self.random.get().max(1);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.random.set(x);
        x.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// The time, as ejections of endpoints count it.
    pub(crate) fn now(&self) -> Tick {
        Tick::after(Instant::now().saturating_duration_since(self.shared.started))
    }

    /// Opens sockets of listeners that came, closes those of listeners that went.
    fn follow_listeners(self: &Rc<Self>) {
        let snapshot = self.snapshot();
        let bound = snapshot.listeners().filter(|listener| listener.binds);
        let wanted: Vec<Door> =
            bound.flat_map(|l| l.addresses.iter().map(|address| (l.name.clone(), *address))).collect();
        let mut listening = self.listening.borrow_mut();
        listening.retain(|key, task| {
            let stays = wanted.contains(key);
            if !stays {
                task.abort();
            }
            stays
        });
        let mut closed = self.closed.borrow_mut();
        closed.retain(|key| wanted.contains(key));
        for key in wanted {
            let address = key.1;
            if listening.contains_key(&key) {
                continue;
            }
            match listen(address) {
                Ok(socket) => {
                    closed.remove(&key);
                    self.shared.stats.server.listener_create_success.inc();
                    let stats = self.shared.stats.listener(&address.to_string().into());
                    let task = spawn(self.clone().accept(key.0.clone(), stats, socket));
                    listening.insert(key, task);
                }
                // Tried again at the next housekeeping or publication; told and counted when it begins.
                Err(error) => {
                    if closed.insert(key.clone()) {
                        self.shared.stats.server.listener_create_failure.inc();
                        let hint = hint(&error);
                        tracing::error!(%error, listener = %key.0, %address, hint, "a listener cannot be opened");
                    }
                }
            }
        }
    }

    async fn accept(self: Rc<Self>, name: Arc<str>, stats: Arc<ListenerStats>, socket: TcpListener) {
        loop {
            match socket.accept().await {
                Ok((stream, source)) => {
                    spawn(accept::connection(self.clone(), name.clone(), stats.clone(), stream, source));
                }
                Err(error) => {
                    tracing::warn!(%error, listener = %name, "a connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    /// The listener of that name, as it is now.
    pub(crate) fn listener(&self, name: &str) -> Option<Arc<Listener>> {
        self.snapshot().listener(name).cloned()
    }
}

/// What a person can do about a socket that is not opened.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are root's, unless the pod's securityContext sets net.ipv4.ip_unprivileged_port_start"
        }
        io::ErrorKind::AddrInUse => "another program of the pod listens there",
        _ => "",
    }
}

/// A socket of this thread's own; the kernel divides connections among the workers' sockets.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
