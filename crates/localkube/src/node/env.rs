//! A container's environment and command line: literals, references, `$(VAR)`, service links.

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvFromSource, EnvVarSource, Pod, Secret, Service};

use super::fields::{self, Facts};
use crate::client::Client;

/// An ordered environment in which a later value replaces an earlier one in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env(pub Vec<(String, String)>);

impl Env {
    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// A variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Everything that the pod says about a container's environment. An error is the text of `CreateContainerConfigError`.
pub fn container_env(client: &Client, pod: &Pod, container: &Container, facts: &Facts) -> Result<Env, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let links = service_links(client, namespace, pod.spec.as_ref().and_then(|s| s.enable_service_links) != Some(false));
    let mut env = Env::default();
    for source in container.env_from.iter().flatten() {
        for (name, value) in env_from(client, namespace, source)? {
            env.set(&name, value);
        }
    }
    for var in container.env.iter().flatten() {
        let value = match &var.value_from {
            Some(source) => value_from(client, pod, container, source, facts)?,
            None => Some(expand(var.value.as_deref().unwrap_or_default(), |name| {
                env.get(name).or_else(|| links.get(name)).map(str::to_owned)
            })),
        };
        if let Some(value) = value {
            env.set(&var.name, value);
        }
    }
    for (name, value) in links.0 {
        if env.get(&name).is_none() {
            env.set(&name, value);
        }
    }
    Ok(env)
}

/// Replaces `$(NAME)` by its value; `$$` is a dollar, an unknown name stays as written.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            out.push_str(&lookup(name).unwrap_or_else(|| format!("$({name})")));
            rest = after;
        } else {
            out.push('$');
        }
    }
    out + rest
}

/// A ConfigMap's texts (binary data left out); None when there is no such object. Errors in the kubelet's words.
pub fn config_map(client: &Client, namespace: &str, name: &str) -> Result<Option<ConfigMap>, String> {
    client.get(namespace, name).map_err(|e| e.message)
}

/// A Secret; None when there is no such object.
pub fn secret(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>, String> {
    client.get(namespace, name).map_err(|e| e.message)
}

fn env_from(client: &Client, namespace: &str, source: &EnvFromSource) -> Result<Vec<(String, String)>, String> {
    let prefix = source.prefix.as_deref().unwrap_or_default();
    let mut found = Vec::new();
    if let Some(reference) = &source.config_map_ref {
        match config_map(client, namespace, &reference.name)? {
            Some(map) => found.extend(map.data.unwrap_or_default()),
            None if reference.optional == Some(true) => {}
            None => return Err(format!("configmap \"{}\" not found", reference.name)),
        }
    }
    if let Some(reference) = &source.secret_ref {
        match secret(client, namespace, &reference.name)? {
            Some(secret) => {
                let data = secret.data.unwrap_or_default();
                found.extend(data.into_iter().map(|(k, v)| (k, String::from_utf8_lossy(&v.0).into_owned())));
            }
            None if reference.optional == Some(true) => {}
            None => return Err(format!("secret \"{}\" not found", reference.name)),
        }
    }
    Ok(found.into_iter().map(|(name, value)| (format!("{prefix}{name}"), value)).collect())
}

fn value_from(
    client: &Client,
    pod: &Pod,
    container: &Container,
    source: &EnvVarSource,
    facts: &Facts,
) -> Result<Option<String>, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(selector) = &source.field_ref {
        return fields::field(selector, pod, facts).map(Some);
    }
    if let Some(selector) = &source.resource_field_ref {
        let owner = owner(pod, container, selector.container_name.as_deref())?;
        return fields::resource(selector, owner, facts).map(Some);
    }
    let (kind, name, key, optional, found) = if let Some(r) = &source.config_map_key_ref {
        let map = config_map(client, namespace, &r.name)?;
        let value = map.map(|m| m.data.unwrap_or_default().remove(&r.key));
        ("ConfigMap", &r.name, &r.key, r.optional, value)
    } else if let Some(r) = &source.secret_key_ref {
        let secret = secret(client, namespace, &r.name)?;
        let text = |bytes: k8s_openapi::ByteString| String::from_utf8_lossy(&bytes.0).into_owned();
        ("Secret", &r.name, &r.key, r.optional, secret.map(|s| s.data.unwrap_or_default().remove(&r.key).map(text)))
    } else {
        return Ok(Some(String::new()));
    };
    match found {
        Some(Some(value)) => Ok(Some(value)),
        _ if optional == Some(true) => Ok(None),
        Some(None) => Err(format!("couldn't find key {key} in {kind} {namespace}/{name}")),
        None => Err(format!("{} \"{name}\" not found", kind.to_lowercase())),
    }
}

/// The container that a `resourceFieldRef` is about.
pub fn owner<'a>(pod: &'a Pod, own: &'a Container, name: Option<&str>) -> Result<&'a Container, String> {
    let Some(name) = name.filter(|n| !n.is_empty()) else { return Ok(own) };
    let spec = pod.spec.as_ref();
    let mut all = spec.into_iter().flat_map(|s| s.containers.iter().chain(s.init_containers.iter().flatten()));
    all.find(|c| c.name == name).ok_or_else(|| format!("container {name} not found"))
}

/// The variables that name services: those of the pod's namespace when asked for, `KUBERNETES_*` always.
fn service_links(client: &Client, namespace: &str, all: bool) -> Env {
    let mut env = Env::default();
    let master = client.get::<Service>("default", "kubernetes").ok().flatten();
    let own = if all { client.list::<Service>(Some(namespace)).unwrap_or_default() } else { Vec::new() };
    for service in master.iter().chain(&own) {
        link(&mut env, service);
    }
    env
}

fn link(env: &mut Env, service: &Service) {
    let Some(spec) = &service.spec else { return };
    let ip = match spec.cluster_ip.as_deref() {
        None | Some("" | "None") => return,
        Some(ip) => ip,
    };
    let variable = |name: &str| name.to_uppercase().replace(['-', '.'], "_");
    let name = variable(service.metadata.name.as_deref().unwrap_or_default());
    let ports = spec.ports.as_deref().unwrap_or_default();
    let Some(first) = ports.first() else { return };
    env.set(&format!("{name}_SERVICE_HOST"), ip);
    env.set(&format!("{name}_SERVICE_PORT"), first.port.to_string());
    for port in ports {
        if let Some(port_name) = port.name.as_deref().filter(|n| !n.is_empty()) {
            env.set(&format!("{name}_SERVICE_PORT_{}", variable(port_name)), port.port.to_string());
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let lower = protocol.to_lowercase();
        let url = format!("{lower}://{ip}:{}", port.port);
        if index == 0 {
            env.set(&format!("{name}_PORT"), url.clone());
        }
        let prefix = format!("{name}_PORT_{}_{protocol}", port.port);
        env.set(&prefix, url);
        env.set(&format!("{prefix}_PROTO"), lower);
        env.set(&format!("{prefix}_PORT"), port.port.to_string());
        env.set(&format!("{prefix}_ADDR"), ip);
    }
}

#[cfg(test)]
mod tests;
