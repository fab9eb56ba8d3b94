//! Injection: gives a pod its proxy.
//!
//! A pure function from a pod (as it is about to be created) to a JSON patch, or to the reason why the pod is left as it
//! is. galley answers the API server's webhook with it, `lateenctl kube-inject` prints its result. It talks to nobody,
//! and does not look at pods that exist.
//!
//! ```text
//!   Pod, namespace labels ──decide──► skip, with a reason
//!        │                      └───► inject
//!        ├─ annotations ──► Wishes  (typed; nonsense is refused by name)
//!        ├─ MeshConfig, ProxyConfigs, annotation ──► the proxy's settings
//!        ├─ owner ──► Workload (name, kind)
//!        └─ containers ──► probes that the agent must answer for
//!                 └──► istio-init, istio-proxy, volumes, labels ──► Draft of the pod ──► diff ──► JSON patch
//! ```
//!
//! The pod is read through types and edited as JSON, so that fields which this build does not know survive. What is added
//! is what Istio 1.25's template adds, with the same names; container `istio-proxy` stands first and holds the others
//! back until it is ready (Istio's `holdApplicationUntilProxyStarts`, which is on here). A pod that asks for template
//! `gateway` has no application: its own container `istio-proxy`, often with nothing but `image: auto`, becomes a router,
//! and no traffic is captured.
//!
//! Start reading at [`inject`], then [`decide`].

pub mod annotations;
pub mod decide;
mod draft;
mod effective;
mod environment;
mod init_container;
mod overrides;
mod probes;
mod prometheus;
mod proxy_container;
mod settings;
mod volumes;
pub mod workload;

use istio_api::MeshConfig;
use json_patch::Patch;
use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};
use mesh_types::Labels;
use serde_json::{Value, json};

pub use annotations::BadAnnotation;
pub use decide::Skip;
pub use effective::{BadProxyConfig, ProxyConfigObject};
pub use settings::{DataPlane, Settings};
pub use workload::Workload;

use crate::{
    annotations::{Template, Wishes},
    draft::Draft,
    effective::Effective,
    probes::Probers,
    settings::{ANNOTATION_STATUS, INIT, PROXY},
};

/// A gateway listens where its Gateways say, also below 1024, and is not root.
const LOWEST_PORT: (&str, &str) = ("net.ipv4.ip_unprivileged_port_start", "0");

/// What injection is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The pod as it is about to be created.
    pub pod: &'a Value,
    /// Its namespace (a pod on its way in need not carry it).
    pub namespace: &'a str,
    /// The labels of that namespace.
    pub namespace_labels: &'a Labels,
    /// The mesh's settings.
    pub mesh: &'a MeshConfig,
    /// The injector's own.
    pub settings: &'a Settings,
    /// Objects of kind ProxyConfig of the pod's namespace and of the root namespace.
    pub proxy_configs: &'a [ProxyConfigObject],
    /// The workload that the pod belongs to, where the caller knows better than the pod's owner reference.
    pub workload: Option<&'a Workload>,
}

/// What becomes of the pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It gets a proxy.
    Injected(Box<Injected>),
    /// It stays as it is.
    Skipped(Skip),
}

/// A pod with its proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Injected {
    /// What makes the one from the other (RFC 6902).
    pub patch: Patch,
    /// The pod as it becomes.
    pub pod: Value,
    /// What the author of the pod should know, one sentence each.
    pub warnings: Vec<String>,
}

/// Why a pod that should get a proxy cannot.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// Not a pod. The caller's fault.
    #[error("the object is not a Pod")]
    NotAPod(#[source] serde_json::Error),
    /// The pod's author's fault.
    #[error(transparent)]
    Annotation(#[from] BadAnnotation),
    /// Settings of proxies that cannot be read.
    #[error(transparent)]
    ProxyConfig(#[from] BadProxyConfig),
    /// What was made cannot be written as JSON.
    #[error("the injected parts cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
}

/// Everything that the parts of an injected pod are made from.
struct Context<'a> {
    request: &'a Request<'a>,
    pod: &'a Pod,
    wishes: Wishes,
    effective: Effective,
    workload: Workload,
    /// Where the agent answers for the application.
    status_port: u16,
}

/// Decides, and if the pod is to have a proxy, adds it.
pub fn inject(request: &Request<'_>) -> Result<Outcome, InjectError> {
    let pod: Pod = serde_json::from_value(request.pod.clone()).map_err(InjectError::NotAPod)?;
    if let Some(skip) = decide::decide(request, &pod) {
        return Ok(Outcome::Skipped(skip));
    }
    let wishes = Wishes::parse(&pod)?;
    let effective = Effective::new(request, &pod, &wishes)?;
    let workload = request.workload.cloned().unwrap_or_else(|| Workload::of(&pod));
    let status_port = effective.status_port();
    let context = Context { request, pod: &pod, wishes, effective, workload, status_port };
    let mut draft = Draft::new(request.pod.clone());
    let warnings = context.effective.warnings.clone();
    context.edit(&mut draft).map_err(InjectError::Encode)?;
    let injected = draft.into_value();
    let patch = json_patch::diff(request.pod, &injected);
    Ok(Outcome::Injected(Box::new(Injected { patch, pod: injected, warnings })))
}

impl Context<'_> {
    /// Writes all parts into the draft.
    fn edit(&self, draft: &mut Draft) -> Result<(), serde_json::Error> {
        // What the pod's author wrote for a container of the proxy's name goes over what is made here.
        let own = draft.take("containers", PROXY);
        let rewrites = self.wishes.rewrite_probes.unwrap_or(self.request.settings.rewrite_app_http_probers);
        // Nothing is captured in a gateway's pod, so that probes of whatever else runs there arrive.
        let probers = if rewrites && !self.is_gateway() {
            probes::rewrite(draft, self.pod, self.status_port)?
        } else {
            Probers::default()
        };
        let scrape = prometheus::merge(self, draft);
        let proxy = serde_json::to_value(proxy_container::container(self, &probers, scrape.as_ref())?)?;
        let proxy = match &own {
            Some(own) => overrides::over(proxy, own),
            None => proxy,
        };
        let init = match init_container::container(self).filter(|_| !self.is_gateway()) {
            Some(container) => Some(serde_json::to_value(container)?),
            None => None,
        };
        let status = self.status(init.is_some());
        self.place(draft, init, proxy);
        for volume in volumes::volumes(self) {
            if draft.item("volumes", &volume.name).is_none() {
                draft.append("volumes", serde_json::to_value(volume)?);
            }
        }
        if self.is_gateway() {
            draft.sysctl_if_absent(LOWEST_PORT.0, LOWEST_PORT.1);
        }
        for secret in &self.request.settings.image_pull_secrets {
            draft.append("imagePullSecrets", json!({ "name": secret }));
        }
        self.describe(draft);
        if let Some(own) = own {
            draft.set("annotations", "proxy.istio.io/overrides", &json!({ "containers": [own] }).to_string());
        }
        draft.set("annotations", ANNOTATION_STATUS, &status);
        Ok(())
    }

    fn is_gateway(&self) -> bool {
        self.wishes.template == Template::Gateway
    }

    /// What the author of a gateway gives its proxy. Beside an application both sides' words are combined.
    fn own_resources(&self) -> Option<&ResourceRequirements> {
        let mut containers = self.pod.spec.iter().flat_map(|spec| &spec.containers);
        containers.find(|container| container.name == PROXY && self.is_gateway())?.resources.as_ref()
    }

    fn native(&self) -> bool {
        !self.is_gateway() && self.wishes.native_sidecar.unwrap_or(self.request.settings.native_sidecars)
    }

    /// Puts the containers where they belong: `istio-init` behind the pod's own, which may need the plain network; a
    /// native sidecar before all of them, for they may need the mesh.
    fn place(&self, draft: &mut Draft, init: Option<Value>, proxy: Value) {
        if self.native() {
            draft.prepend("initContainers", proxy);
            init.into_iter().for_each(|init| draft.prepend("initContainers", init));
            return;
        }
        init.into_iter().for_each(|init| draft.append("initContainers", init));
        if self.effective.holds_application() {
            draft.prepend("containers", proxy);
        } else {
            draft.append("containers", proxy);
        }
    }

    /// What was added, for people and for tools that take it out again.
    fn status(&self, init: bool) -> String {
        let mut init_containers: Vec<&str> = if init { vec![INIT] } else { Vec::new() };
        let mut containers = Vec::new();
        if self.native() {
            init_containers.push(PROXY)
        } else {
            containers.push(PROXY)
        }
        let volumes: Vec<String> = volumes::volumes(self).into_iter().map(|volume| volume.name).collect();
        let secrets = &self.request.settings.image_pull_secrets;
        let status = Status {
            init_containers,
            containers,
            volumes,
            image_pull_secrets: (!secrets.is_empty()).then(|| secrets.clone()),
            revision: &self.request.settings.revision,
        };
        // Strings and lists of strings always are JSON.
        serde_json::to_string(&status).unwrap_or_default()
    }

    /// Labels and annotations that others find the pod by. What the author wrote stays.
    fn describe(&self, draft: &mut Draft) {
        let labels = self.pod.metadata.labels.clone().unwrap_or_default();
        let mut add = |kind: &str, key: &str, value: &str| draft.set_if_absent(kind, key, value);
        if self.is_gateway() {
            // Whether a gateway takes the mesh's certificates is for its Gateway objects to say.
            add("labels", "istio.io/rev", &self.request.settings.revision);
        } else {
            add("labels", "security.istio.io/tlsMode", "istio");
        }
        add("labels", "service.istio.io/canonical-name", &self.workload.canonical_name(&labels));
        add("labels", "service.istio.io/canonical-revision", &workload::canonical_revision(&labels));
        if !self.request.settings.network.is_empty() {
            add("labels", "topology.istio.io/network", &self.request.settings.network);
        }
        add("annotations", "istio.io/rev", &self.request.settings.revision);
        let containers = &self.pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
        if let Some(first) = containers.iter().find(|container| container.name != PROXY) {
            add("annotations", "kubectl.kubernetes.io/default-container", &first.name);
            add("annotations", "kubectl.kubernetes.io/default-logs-container", &first.name);
        }
    }
}

/// `sidecar.istio.io/status`.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    init_containers: Vec<&'a str>,
    containers: Vec<&'a str>,
    volumes: Vec<String>,
    image_pull_secrets: Option<Vec<String>>,
    revision: &'a str,
}

#[cfg(test)]
mod tests;
