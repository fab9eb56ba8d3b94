//! What is to be installed: a profile, a file and `--set`, laid over each other, then read as one.
//!
//! The tree is the `spec` of an IstioOperator, so that files and `--set` paths written for istioctl work. What is in it and
//! means nothing here is reported, never ignored in silence.

use std::collections::BTreeMap;

use injector::{DataPlane, Settings};
use istio_api::MeshConfig;
use mesh_types::Labels;
use serde_json::{Map, Value, json};

mod gateways;
mod tree;

pub use gateways::{Direction, Gateway, K8s};
use tree::{lay_over, leaves, put, says_nothing, scalar};

/// The namespace of the mesh's own parts.
pub const NAMESPACE: &str = "istio-system";

/// Why options were not understood. The caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum BadOptions {
    /// Not `path=value`.
    #[error("--set \"{0}\": should be path=value, such as meshConfig.accessLogFile=/dev/stdout")]
    Set(String),
    /// A path that goes through a value.
    #[error("--set {path}: {parent} is a value, not a group of settings, or a list without such an item")]
    Through {
        /// The path.
        path: String,
        /// The part of it that is a value.
        parent: String,
    },
    /// No such profile.
    #[error("profile \"{0}\" does not exist; there are default, demo and minimal")]
    Profile(String),
    /// The file holds something else.
    #[error("the file is not an IstioOperator (apiVersion install.istio.io/v1alpha1)")]
    NotAnOperator,
    /// A setting of the wrong type.
    #[error("{path}: {value} is not {wanted}")]
    Value {
        /// Where.
        path: String,
        /// What is there.
        value: String,
        /// What should be.
        wanted: &'static str,
    },
    /// A gateway that makes no sense.
    #[error("{path}: {source}")]
    Gateway {
        /// Where.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The mesh's settings are wrong.
    #[error("meshConfig: {0}")]
    Mesh(serde_json::Error),
}

/// A set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For use: the control plane and an ingress gateway.
    Default,
    /// For a first look: both gateways, access logs on, every request traced, small proxies.
    Demo,
    /// The control plane only.
    Minimal,
}

/// The profiles by name.
pub const PROFILES: [(&str, Profile); 3] =
    [("default", Profile::Default), ("demo", Profile::Demo), ("minimal", Profile::Minimal)];

/// What is to be installed.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The profile that it started from.
    pub profile: Profile,
    /// Where images come from.
    pub hub: String,
    /// Their tag.
    pub tag: String,
    /// When they are pulled.
    pub pull_policy: Option<String>,
    /// The mesh's settings, as they go into ConfigMap `istio`.
    pub mesh: Map<String, Value>,
    /// The injector's settings.
    pub injection: Settings,
    /// Pods of each part of the control plane.
    pub replicas: i32,
    /// Gateways beside it.
    pub gateways: Vec<Gateway>,
    /// What the caller should know, a sentence each.
    pub notes: Vec<String>,
}

impl Options {
    /// Reads a file's text (an IstioOperator) and `--set` words.
    pub fn parse(file: Option<&Value>, sets: &[String]) -> Result<Self, BadOptions> {
        let spec = match file {
            None => json!({}),
            Some(file) if file["kind"] == "IstioOperator" => file["spec"].clone(),
            Some(_) => return Err(BadOptions::NotAnOperator),
        };
        // The profile is the ground that all else is laid on.
        let last = sets.iter().rev().find_map(|set| set.strip_prefix("profile="));
        let name = last.or_else(|| spec["profile"].as_str()).unwrap_or("default");
        let profile = PROFILES.into_iter().find(|(known, _)| *known == name).map(|(_, profile)| profile);
        let profile = profile.ok_or_else(|| BadOptions::Profile(name.to_owned()))?;
        let mut tree = gateways::ground(profile);
        if spec.is_object() {
            gateways::lay_file_over(&mut tree, spec);
        }
        for set in sets {
            let (path, text) = set.split_once('=').ok_or_else(|| BadOptions::Set(set.clone()))?;
            put(&mut tree, path, scalar(text))?;
        }
        let tree = tree.as_object().cloned().unwrap_or_default();
        let mut reader = Reader { tree, notes: Vec::new() };
        reader.text("profile")?;
        reader.options(profile)
    }

    /// A profile as an IstioOperator, such as it could be installed from a file.
    pub fn profile(name: &str) -> Result<Value, BadOptions> {
        let options = Self::parse(None, &[format!("profile={name}")])?;
        let mut components = gateways::in_full(options.profile);
        for part in ["base", "pilot"] {
            components[part] = json!({ "enabled": true });
        }
        Ok(json!({
            "apiVersion": "install.istio.io/v1alpha1",
            "kind": "IstioOperator",
            "spec": {
                "profile": name,
                "hub": options.hub,
                "tag": options.tag,
                "components": components,
                "meshConfig": options.mesh,
                "values": { "global": { "proxy": { "resources": options.injection.resources } } },
            },
        }))
    }

    /// An image of ours.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}:{}", self.hub, self.tag)
    }
}

/// Takes settings out of the tree; what is left at the end was not understood.
struct Reader {
    tree: Map<String, Value>,
    notes: Vec<String>,
}

impl Reader {
    fn options(mut self, profile: Profile) -> Result<Options, BadOptions> {
        let mut injection = Settings::default();
        if profile == Profile::Demo {
            for (name, amount) in [("cpu", "10m"), ("memory", "40Mi")] {
                let requests = injection.resources.requests.get_or_insert_default();
                requests.insert(
                    name.to_owned(),
                    k8s_openapi::apimachinery::pkg::api::resource::Quantity(amount.to_owned()),
                );
            }
        }
        let hub = self.text_of(&["hub", "values.global.hub"])?.unwrap_or(injection.hub);
        let tag = self.text_of(&["tag", "values.global.tag"])?.unwrap_or(injection.tag);
        let pull_policy = self.text("values.global.imagePullPolicy")?;
        injection.hub = hub.clone();
        injection.tag = tag.clone();
        injection.image_pull_policy = pull_policy.clone();
        self.injection(&mut injection)?;
        let mesh = self.mesh(profile)?;
        let replicas = self.number("values.pilot.replicaCount")?.unwrap_or(1);
        if let Some(namespace) = self.text("namespace")?
            && namespace != NAMESPACE
        {
            return Err(wrong("namespace", &json!(namespace), "istio-system, the one namespace that is supported"));
        }
        self.components()?;
        let gateways = self.gateways(profile)?;
        for path in leaves(&self.tree) {
            self.notes.push(format!("{path} has no effect: this version does not know it"));
        }
        let replicas = i32::try_from(replicas).unwrap_or(1).max(1);
        Ok(Options { profile, hub, tag, pull_policy, mesh, injection, replicas, gateways, notes: self.notes })
    }

    /// The settings of injection, by their names in istioctl's values.
    fn injection(&mut self, settings: &mut Settings) -> Result<(), BadOptions> {
        let texts: [(&str, &mut String); 13] = [
            ("revision", &mut settings.revision),
            ("values.global.caAddress", &mut settings.ca_address),
            ("values.global.multiCluster.clusterName", &mut settings.cluster_id),
            ("values.global.network", &mut settings.network),
            ("values.global.meshID", &mut settings.mesh_id),
            ("values.global.proxy.clusterDomain", &mut settings.domain),
            ("values.global.proxy.logLevel", &mut settings.proxy_log_level),
            ("values.global.proxy.componentLogLevel", &mut settings.proxy_component_log_level),
            ("values.global.proxy.includeIPRanges", &mut settings.include_outbound_ip_ranges),
            ("values.global.proxy.excludeIPRanges", &mut settings.exclude_outbound_ip_ranges),
            ("values.global.proxy.includeInboundPorts", &mut settings.include_inbound_ports),
            ("values.global.proxy.excludeInboundPorts", &mut settings.exclude_inbound_ports),
            ("values.global.proxy.excludeOutboundPorts", &mut settings.exclude_outbound_ports),
        ];
        for (path, slot) in texts {
            if let Some(text) = self.text(path)? {
                *slot = text;
            }
        }
        let switches: [(&str, &mut bool); 4] = [
            ("values.global.logAsJson", &mut settings.log_as_json),
            ("values.sidecarInjectorWebhook.enableNamespacesByDefault", &mut settings.enable_namespaces_by_default),
            ("values.sidecarInjectorWebhook.rewriteAppHTTPProbe", &mut settings.rewrite_app_http_probers),
            ("values.pilot.env.ENABLE_NATIVE_SIDECARS", &mut settings.native_sidecars),
        ];
        for (path, slot) in switches {
            if let Some(on) = self.switch(path)? {
                *slot = on;
            }
        }
        if let Some(data_plane) = self.text("values.global.proxy.dataPlane")? {
            settings.data_plane = match data_plane.as_str() {
                "envoy" => DataPlane::Envoy,
                "lateen" => DataPlane::Lateen,
                _ => return Err(wrong("values.global.proxy.dataPlane", &json!(data_plane), "envoy or lateen")),
            };
        }
        if let Some(resources) = self.take("values.global.proxy.resources") {
            settings.resources = serde_json::from_value(resources.clone())
                .map_err(|_| wrong("values.global.proxy.resources", &resources, "requests and limits"))?;
        }
        for (path, slot) in [
            ("values.sidecarInjectorWebhook.neverInjectSelector", &mut settings.never_inject),
            ("values.sidecarInjectorWebhook.alwaysInjectSelector", &mut settings.always_inject),
        ] {
            if let Some(selectors) = self.take(path) {
                *slot = selectors_of(path, &selectors)?;
            }
        }
        Ok(())
    }

    /// The mesh's settings: the profile's, and over them the caller's, field by field.
    fn mesh(&mut self, profile: Profile) -> Result<Map<String, Value>, BadOptions> {
        let mut mesh = json!({
            "defaultConfig": { "discoveryAddress": "istiod.istio-system.svc:15012" },
            "defaultProviders": { "metrics": ["prometheus"] },
            "enablePrometheusMerge": true,
            "rootNamespace": NAMESPACE,
            "trustDomain": "cluster.local",
        });
        if profile == Profile::Demo {
            lay_over(
                &mut mesh,
                &json!({
                    "accessLogFile": "/dev/stdout",
                    "defaultConfig": { "tracing": { "sampling": 100 } },
                }),
            );
        }
        if let Some(hold) = self.switch("values.global.proxy.holdApplicationUntilProxyStarts")? {
            lay_over(&mut mesh, &json!({ "defaultConfig": { "holdApplicationUntilProxyStarts": hold } }));
        }
        if let Some(own) = self.take("meshConfig") {
            lay_over(&mut mesh, &own);
        }
        let config: MeshConfig = serde_json::from_value(mesh.clone()).map_err(BadOptions::Mesh)?;
        let known = serde_json::to_value(config).map_err(BadOptions::Mesh)?;
        for name in mesh.as_object().into_iter().flat_map(Map::keys) {
            if known.get(name).is_none() && !says_nothing(&mesh[name]) {
                self.notes.push(format!("meshConfig.{name} has no effect: it is no setting of a mesh"));
            }
        }
        Ok(match mesh {
            Value::Object(map) => map,
            _ => Map::new(),
        })
    }

    /// Parts that cannot be switched off.
    fn components(&mut self) -> Result<(), BadOptions> {
        for part in ["base", "pilot"] {
            let path = format!("components.{part}.enabled");
            if self.switch(&path)? == Some(false) {
                return Err(wrong(&path, &json!(false), "true: the mesh needs it"));
            }
        }
        Ok(())
    }

    /// Takes what stands at a path.
    fn take(&mut self, path: &str) -> Option<Value> {
        let mut names: Vec<&str> = path.split('.').collect();
        let last = names.pop()?;
        let mut at = &mut self.tree;
        for name in names {
            at = at.get_mut(name)?.as_object_mut()?;
        }
        at.remove(last).filter(|value| !value.is_null())
    }

    fn text(&mut self, path: &str) -> Result<Option<String>, BadOptions> {
        self.take(path)
            .map(|value| match value {
                Value::String(text) => Ok(text),
                Value::Number(number) => Ok(number.to_string()),
                other => Err(wrong(path, &other, "a text")),
            })
            .transpose()
    }

    /// The first of several paths that says something.
    fn text_of(&mut self, paths: &[&str]) -> Result<Option<String>, BadOptions> {
        let mut found = None;
        for path in paths {
            let text = self.text(path)?;
            found = found.or(text);
        }
        Ok(found)
    }

    fn switch(&mut self, path: &str) -> Result<Option<bool>, BadOptions> {
        self.take(path)
            .map(|value| match &value {
                Value::Bool(on) => Ok(*on),
                Value::String(text) if text == "true" || text == "false" => Ok(text == "true"),
                other => Err(wrong(path, other, "true or false")),
            })
            .transpose()
    }

    fn number(&mut self, path: &str) -> Result<Option<i64>, BadOptions> {
        self.take(path).map(|value| value.as_i64().ok_or_else(|| wrong(path, &value, "a whole number"))).transpose()
    }
}

fn wrong(path: &str, value: &Value, wanted: &'static str) -> BadOptions {
    BadOptions::Value { path: path.to_owned(), value: value.to_string(), wanted }
}

/// Label selectors that name labels; nothing else can be asked of them here.
fn selectors_of(path: &str, selectors: &Value) -> Result<Vec<Labels>, BadOptions> {
    let wanted = "a list of selectors with matchLabels";
    let one = |selector: &Value| {
        let alone = selector.as_object().is_some_and(|fields| fields.keys().all(|name| name == "matchLabels"));
        let labels = serde_json::from_value::<BTreeMap<String, String>>(selector["matchLabels"].clone());
        labels.ok().filter(|_| alone).map(Labels).ok_or_else(|| wrong(path, selector, wanted))
    };
    selectors.as_array().ok_or_else(|| wrong(path, selectors, wanted))?.iter().map(one).collect()
}

#[cfg(test)]
mod tests;
