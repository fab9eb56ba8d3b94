//! One pod on one node, from the moment it is bound until it is gone: a task that looks, decides and acts, in turns.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::core::v1::{Container as Spec, Pod, PodSpec},
    jiff::Timestamp,
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
    time::sleep,
};

use super::{
    access::Exit,
    fields::Facts,
    kubelet::Node,
    probe::{self, Kind},
    runtime::Container,
    status::{Observed, Seen, now},
    volumes::{Context, Volumes},
};
use crate::{api::Part, net::topology::PodNet};
pub use finish::delete_object;
use plan::{Noticed, Plan};
use slot::Slot;

mod finish;
pub mod plan;
mod slot;
mod start;
mod stop;

/// How long to wait before trying again what failed for reasons outside the containers.
const RETRY: Duration = Duration::from_secs(10);

/// What the API wants of a pod.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The newest state of the object.
    pub pod: Arc<Pod>,
    /// The object is gone from the API.
    pub gone: bool,
}

impl Wish {
    fn is_ending(&self) -> bool {
        self.gone || self.pod.metadata.deletion_timestamp.is_some()
    }
}

/// What others may see of a pod's task.
#[derive(Debug)]
pub struct View {
    /// What status is made from.
    pub observed: Observed,
    /// Its network, while it has one.
    pub net: Option<PodNet>,
    /// The containers that were started at least once, by name.
    pub instances: BTreeMap<String, Instance>,
}

/// The newest instance of a container.
#[derive(Clone, Debug)]
pub struct Instance {
    /// While it runs.
    pub container: Option<Container>,
    /// How many came before it.
    pub attempt: u32,
    /// Its log.
    pub log: PathBuf,
    /// The log of the one before.
    pub previous: Option<PathBuf>,
}

/// A pod's task as the node sees it.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Tells the task what the API wants.
    pub wish: watch::Sender<Wish>,
    /// What the task has done so far.
    pub view: Arc<Mutex<View>>,
    /// Makes it look at its ConfigMaps and Secrets again.
    pub refresh: Arc<Notify>,
}

/// What comes to the task from its containers.
enum Note {
    Exited { name: String, attempt: u32, exit: Exit },
    Probed { name: String, attempt: u32, kind: Kind, report: probe::Report },
}

struct Task {
    node: Arc<Node>,
    wish: watch::Receiver<Wish>,
    view: Arc<Mutex<View>>,
    refresh: Arc<Notify>,
    notes: mpsc::UnboundedReceiver<Note>,
    tell: mpsc::UnboundedSender<Note>,
    folder: PathBuf,
    volumes: Volumes,
    net: Option<PodNet>,
    slots: BTreeMap<String, Slot>,
    sick: BTreeMap<String, Kind>,
    /// A process on its way up: should the turn be broken off meanwhile, it must be found again.
    starting: Option<JoinHandle<io::Result<Container>>>,
    mount_retry: Option<(Instant, Duration)>,
    began: Instant,
    wake: Instant,
}

/// Takes a pod over. The future ends when nothing of the pod is left.
pub fn spawn(node: Arc<Node>, pod: Arc<Pod>) -> (Handle, impl Future<Output = ()> + Send) {
    let (wish, wishes) = watch::channel(Wish { pod: pod.clone(), gone: false });
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let folder = node.folder.join("pods").join(&uid);
    let spec = pod.spec.clone().unwrap_or_default();
    let first = if spec.init_containers.as_ref().is_some_and(|list| !list.is_empty()) {
        "PodInitializing"
    } else {
        "ContainerCreating"
    };
    let containers = all(&spec).map(|c| (c.name.clone(), Seen::waiting(first))).collect();
    let observed = Observed {
        ip: None,
        host_ip: node.net.ip,
        start: now(),
        network: false,
        containers,
        failed: None,
        over: false,
    };
    let view = Arc::new(Mutex::new(View { observed, net: None, instances: BTreeMap::new() }));
    let refresh = Arc::new(Notify::new());
    let (tell, notes) = mpsc::unbounded_channel();
    let task = Task {
        node,
        wish: wishes,
        view: view.clone(),
        refresh: refresh.clone(),
        notes,
        tell,
        volumes: Volumes::new(folder.join("volumes")),
        folder,
        net: None,
        slots: all(&spec).map(|c| (c.name.clone(), Slot::new(c))).collect(),
        sick: BTreeMap::new(),
        starting: None,
        mount_retry: None,
        began: Instant::now(),
        wake: Instant::now(),
    };
    (Handle { wish, view, refresh }, task.run())
}

/// All containers of a pod, in starting order.
fn all(spec: &PodSpec) -> impl Iterator<Item = &Spec> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

/// Resolves when the API wants the pod to end, or when nobody is left to say so.
async fn ending(mut wish: watch::Receiver<Wish>) {
    let _closed = wish.wait_for(Wish::is_ending).await.is_err();
}

impl Task {
    async fn run(mut self) {
        loop {
            let wish = self.wish.clone();
            // Looked at here too: a turn that never waits would always win against a timer.
            if self.deadline() <= Instant::now() {
                self.exceed_deadline().await;
                break;
            }
            tokio::select! {
                biased;
                () = ending(wish) => break,
                () = sleep(self.deadline().saturating_duration_since(Instant::now())) => {
                    self.exceed_deadline().await;
                    break;
                }
                () = self.sync() => {}
            }
            self.publish().await;
            if self.plan().finished {
                break;
            }
            tokio::select! {
                Ok(()) = self.wish.changed() => {}
                Some(note) = self.notes.recv() => self.take(note).await,
                () = self.refresh.notified() => self.forget_failures(),
                () = sleep(self.wake.saturating_duration_since(Instant::now())) => {}
            }
            while let Ok(note) = self.notes.try_recv() {
                self.take(note).await;
            }
        }
        self.finish().await;
    }

    fn pod(&self) -> Arc<Pod> {
        self.wish.borrow().pod.clone()
    }

    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of one container.
    fn see(&self, name: &str, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.view().observed.containers.get_mut(name) {
            change(seen);
        }
    }

    async fn event(&self, kind: &str, reason: &str, message: &str) {
        self.node.client.event(&*self.pod(), kind, reason, message).await;
    }

    /// Wakes the task then, or earlier.
    fn look_again(&mut self, after: Duration) {
        self.wake = self.wake.min(Instant::now() + after);
    }

    fn deadline(&self) -> Instant {
        let seconds = self.pod().spec.as_ref().and_then(|s| s.active_deadline_seconds);
        let life = seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(u64::from(u32::MAX));
        self.began + Duration::from_secs(life)
    }

    async fn exceed_deadline(&mut self) {
        let message = "Pod was active on the node longer than the specified deadline";
        self.event("Normal", "DeadlineExceeded", message).await;
        self.view().observed.failed = Some(("DeadlineExceeded".to_owned(), message.to_owned()));
    }

    /// One turn: network, volumes, then what the plan says.
    async fn sync(&mut self) {
        self.wake = self.deadline().min(Instant::now() + Duration::from_secs(3600));
        if !self.join_network().await || !self.fill_volumes().await {
            return;
        }
        for (name, message) in self.plan().kill {
            self.kill(&name, &message).await;
        }
        for name in self.plan().start {
            self.start(&name).await;
        }
    }

    fn plan(&self) -> Plan {
        let pod = self.pod();
        let Some(spec) = &pod.spec else { return Plan::default() };
        let changed = |c: &&Spec| self.slots.get(&c.name).is_some_and(|slot| slot.image_changed(c));
        let noticed =
            Noticed { sick: self.sick.clone(), changed: all(spec).filter(changed).map(|c| c.name.clone()).collect() };
        plan::plan(spec, &self.view().observed.containers, &noticed)
    }

    /// Gives the pod its network; false when that has to be tried again.
    async fn join_network(&mut self) -> bool {
        if self.net.is_some() {
            return true;
        }
        let pod = self.pod();
        let spec = pod.spec.as_ref();
        if let Some(wish) = self.node.unsupported(&pod) {
            self.event("Warning", "FailedCreatePodSandBox", &wish).await;
            self.look_again(Duration::from_secs(300));
            return false;
        }
        let made = if spec.and_then(|s| s.host_network) == Some(true) {
            Ok(self.node.net.clone())
        } else {
            let uid = pod.metadata.uid.as_deref().unwrap_or_default();
            self.node.network.attach(&self.node.name, uid).await
        };
        match made.and_then(|net| self.node.set_sysctls(&pod, &net).map(|()| net)) {
            Ok(net) => {
                {
                    let mut view = self.view();
                    view.observed.ip = Some(net.ip);
                    view.observed.network = true;
                    view.net = Some(net.clone());
                }
                self.net = Some(net);
                self.publish().await;
                true
            }
            Err(error) => {
                let message = format!("Failed to create pod sandbox: {error}");
                self.event("Warning", "FailedCreatePodSandBox", &message).await;
                self.look_again(RETRY);
                false
            }
        }
    }

    /// Makes volumes or brings them up to date; false while one that was never there is missing.
    async fn fill_volumes(&mut self) -> bool {
        let now = Instant::now();
        if let Some((next, _)) = self.mount_retry
            && now < next
        {
            self.look_again(next - now);
            return false;
        }
        let (pod, facts, node) = (self.pod(), self.facts(), self.node.clone());
        let context = Context { client: &node.client, pod: &pod, facts: &facts, authenticator: &node.authenticator };
        let errors = self.volumes.refresh(&context);
        for error in &errors {
            self.event("Warning", "FailedMount", &error.to_string()).await;
        }
        if let Some(renew) = self.volumes.next_refresh() {
            let left = renew.duration_since(Timestamp::now());
            self.look_again(Duration::try_from(left).unwrap_or_default().max(Duration::from_secs(1)));
        }
        if errors.iter().all(|error| self.volumes.has(&error.volume)) {
            self.mount_retry = None;
            return true;
        }
        let last = self.mount_retry.map_or(Duration::from_millis(250), |(_, delay)| delay);
        let delay = (last * 2).min(Duration::from_secs(122));
        self.mount_retry = Some((now + delay, delay));
        self.look_again(delay);
        false
    }

    fn facts(&self) -> Facts {
        let ip = self.net.as_ref().map(|net| net.ip.to_string()).unwrap_or_default();
        Facts { pod_ip: ip, host_ip: self.node.net.ip.to_string(), allocatable: self.node.allocatable.clone() }
    }

    /// Writes the status, when it differs from the one that the API has.
    async fn publish(&self) {
        let pod = self.pod();
        let (Some(namespace), Some(name)) = (&pod.metadata.namespace, &pod.metadata.name) else { return };
        let observed = self.view().observed.clone();
        let now = now();
        let change = |current: &mut Pod| {
            if current.metadata.uid != pod.metadata.uid {
                return false;
            }
            let status = Some(super::status::pod_status(current, &observed, &now));
            // Compared as they are stored: empty and absent lists are the same there.
            let differs = serde_json::to_value(&current.status).ok() != serde_json::to_value(&status).ok();
            current.status = status;
            differs
        };
        if let Err(error) = self.node.client.modify(namespace, name, Part::Status, change).await {
            tracing::warn!(%error, namespace, name, "pod status not written");
        }
    }

    /// What was missing may be there now.
    fn forget_failures(&mut self) {
        self.mount_retry = None;
        self.slots.values_mut().for_each(|slot| slot.not_before = None);
    }

    fn make_folder(&self, path: &str) -> io::Result<PathBuf> {
        let folder = self.folder.join(path);
        fs::create_dir_all(&folder).map(|()| folder)
    }
}
