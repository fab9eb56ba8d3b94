//! All node agents behind one door: exec, attach, logs and port-forward find the node by the pod.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use tokio::net::TcpStream;

use super::{
    access::{ExecRequest, LogRequest, LogStream, NodeAccess, Session, Target},
    pod::{Handle, Instance},
    runtime::{Container, ended_logs},
    status::State,
};
use crate::{client::Client, status::Status};

/// The pods of all nodes. Clones are the same.
#[derive(Clone)]
pub struct Agents {
    client: Client,
    pods: Arc<Mutex<HashMap<String, Placed>>>,
}

#[derive(Clone)]
struct Placed {
    node: String,
    handle: Handle,
}

impl Agents {
    /// No pods yet.
    pub fn new(client: Client) -> Self {
        Self { client, pods: Arc::default() }
    }

    /// A pod's task, by the pod's uid.
    pub fn get(&self, uid: &str) -> Option<Handle> {
        self.pods().get(uid).map(|placed| placed.handle.clone())
    }

    /// Adds a pod's task.
    pub fn insert(&self, uid: &str, node: &str, handle: Handle) {
        self.pods().insert(uid.to_owned(), Placed { node: node.to_owned(), handle });
    }

    /// Forgets a pod of which nothing is left.
    pub fn remove(&self, uid: &str) {
        self.pods().remove(uid);
    }

    /// Makes the pods of a node look at the ConfigMaps and Secrets of this namespace.
    pub fn refresh(&self, node: &str, namespace: &str) {
        for placed in self.pods().values().filter(|placed| placed.node == node) {
            let wish = placed.handle.wish.borrow();
            if wish.pod.metadata.namespace.as_deref() == Some(namespace) {
                placed.handle.refresh.notify_one();
            }
        }
    }

    /// Tells the tasks of a node whose pods are gone from the API.
    pub fn audit(&self, node: &str) -> Result<(), Status> {
        let present: BTreeSet<Option<String>> =
            self.client.list::<Pod>(None)?.into_iter().map(|pod| pod.metadata.uid).collect();
        for (uid, placed) in self.pods().iter().filter(|(_, placed)| placed.node == node) {
            if !present.contains(&Some(uid.clone())) {
                placed.handle.wish.send_if_modified(|wish| !std::mem::replace(&mut wish.gone, true));
            }
        }
        Ok(())
    }

    fn pods(&self) -> MutexGuard<'_, HashMap<String, Placed>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task of the pod that the API has under that name.
    fn find(&self, target: &Target) -> Result<Handle, Status> {
        let pod = self.client.get::<Pod>(&target.namespace, &target.pod)?;
        let pod = pod.ok_or_else(|| Status::not_found("", "pods", &target.pod))?;
        if pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default().is_empty() {
            return Err(Status::bad_request(format!("pod {} does not have a host assigned", target.pod)));
        }
        let uid = pod.metadata.uid.unwrap_or_default();
        self.get(&uid).ok_or_else(|| Status::not_found("", "pods", &target.pod))
    }

    fn running(&self, target: &Target, verb: &str) -> Result<Container, Status> {
        let handle = self.find(target)?;
        let name = container_name(&handle, target)?;
        let view = handle.view.lock().unwrap_or_else(PoisonError::into_inner);
        if view.observed.over {
            let wish = handle.wish.borrow();
            let phase = wish.pod.status.as_ref().and_then(|s| s.phase.clone()).unwrap_or_default();
            let text = format!("cannot {verb} a container in a completed pod; current phase is {phase}");
            return Err(Status::bad_request(text));
        }
        let container = view.instances.get(&name).and_then(|instance| instance.container.clone());
        container.ok_or_else(|| Status::new(404, "NotFound", format!("container not found ({name:?})")))
    }

    fn log(&self, target: &Target, request: &LogRequest) -> Result<LogStream, Status> {
        let handle = self.find(target)?;
        let name = container_name(&handle, target)?;
        let view = handle.view.lock().unwrap_or_else(PoisonError::into_inner);
        let about = format!("container {name:?} in pod {:?}", target.pod);
        let seen = view.observed.containers.get(&name);
        let (Some(seen), instance) = (seen, view.instances.get(&name)) else {
            return Err(Status::bad_request(format!("{about} is not available")));
        };
        // The instance before the present one; while the container waits for a restart, the one that has just ended.
        let waiting = match &seen.state {
            State::Waiting { reason, .. } if seen.ended().is_some() || instance.is_none() => Some(reason),
            _ => None,
        };
        if request.previous {
            let log = match (instance, waiting) {
                (Some(Instance { log, .. }), Some(_)) => Some(log),
                (Some(Instance { previous, .. }), None) => previous.as_ref(),
                (None, _) => None,
            };
            let log = log.ok_or_else(|| Status::bad_request(format!("previous terminated {about} not found")))?;
            return ended_logs(log, request);
        }
        match (instance, waiting) {
            (Some(Instance { container: Some(container), .. }), _) => container.logs(request),
            (Some(Instance { log, .. }), _) => ended_logs(log, request),
            (None, reason) => {
                let reason = reason.map_or("ContainerCreating", String::as_str);
                let verb = match reason {
                    "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
                        format!("trying and failing to pull image: {reason}")
                    }
                    _ => reason.to_owned(),
                };
                Err(Status::bad_request(format!("{about} is waiting to start: {verb}")))
            }
        }
    }

    async fn connect(&self, target: &Target, port: u16) -> Result<TcpStream, Status> {
        let handle = self.find(target)?;
        let (net, over) = {
            let view = handle.view.lock().unwrap_or_else(PoisonError::into_inner);
            (view.net.clone(), view.observed.over)
        };
        let Some(net) = net.filter(|_| !over) else {
            return Err(Status::bad_request("unable to forward port because pod is not running".to_owned()));
        };
        net.netns.connect_tcp((Ipv4Addr::LOCALHOST, port).into()).await.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
                _ => error.to_string(),
            };
            let text = format!(
                "failed to connect to localhost:{port} in pod {}: dial tcp4 127.0.0.1:{port}: {why}",
                target.pod
            );
            Status::new(500, "InternalError", text)
        })
    }
}

/// The container that is meant: the named one, else the annotated one, else the first.
fn container_name(handle: &Handle, target: &Target) -> Result<String, Status> {
    let wish = handle.wish.borrow();
    let annotations = wish.pod.metadata.annotations.as_ref();
    let name = match target.container.as_str() {
        "" => annotations.and_then(|a| a.get("kubectl.kubernetes.io/default-container")).map(String::as_str),
        name => Some(name),
    };
    let spec = wish.pod.spec.as_ref();
    let mut all = spec.into_iter().flat_map(|s| s.containers.iter().chain(s.init_containers.iter().flatten()));
    let found = all.find(|c| name.is_none_or(|name| c.name == name)).map(|c| c.name.clone());
    found.ok_or_else(|| {
        Status::bad_request(format!("container {} is not valid for pod {}", name.unwrap_or_default(), target.pod))
    })
}

impl NodeAccess for Agents {
    fn exec(&self, target: Target, request: ExecRequest) -> BoxFuture<'_, Result<Session, Status>> {
        Box::pin(async move {
            let container = self.running(&target, "exec into")?;
            container
                .exec(&request)
                .await
                .map_err(|error| Status::internal(format!("error executing command in container: {error}")))
        })
    }

    fn attach(&self, target: Target, request: ExecRequest) -> BoxFuture<'_, Result<Session, Status>> {
        Box::pin(async move {
            let container = self.running(&target, "attach to")?;
            container
                .attach(&request)
                .await
                .map_err(|error| Status::internal(format!("error attaching to container: {error}")))
        })
    }

    fn logs(&self, target: Target, request: LogRequest) -> BoxFuture<'_, Result<LogStream, Status>> {
        Box::pin(async move { self.log(&target, &request) })
    }

    fn dial(&self, target: Target, port: u16) -> BoxFuture<'_, Result<TcpStream, Status>> {
        Box::pin(async move { self.connect(&target, port).await })
    }
}
