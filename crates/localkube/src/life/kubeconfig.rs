//! The kubeconfig: written by the daemon, found by `localkube kubeconfig`.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::bail;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::instance::{Instance, Name};

/// Prints the path of the instance's kubeconfig.
pub fn main(name: &Name) -> anyhow::Result<()> {
    let path = Instance::new(name).kubeconfig();
    if !path.exists() {
        bail!("instance \"{name}\" is not up; start it with `localkube up --name {name}`");
    }
    writeln!(std::io::stdout(), "{}", path.display())?;
    Ok(())
}

/// Writes a kubeconfig for `server` with a client certificate; JSON is YAML, and every client reads it.
pub fn write(path: &Path, cluster: &str, server: &str, ca: &str, certificate: &str, key: &str) -> anyhow::Result<()> {
    let context = format!("localkube-{cluster}");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(ca)}}],
        "users": [{"name": context, "user": {
            "client-certificate-data": STANDARD.encode(certificate),
            "client-key-data": STANDARD.encode(key),
        }}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    });
    let mut file = fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(&serde_json::to_vec_pretty(&config)?)?;
    Ok(())
}

/// A client by the kubeconfig at `path`.
pub async fn client(path: &Path) -> anyhow::Result<kube::Client> {
    let config = kube::config::Kubeconfig::read_from(path)?;
    let options = kube::config::KubeConfigOptions::default();
    Ok(kube::Client::try_from(kube::Config::from_custom_kubeconfig(config, &options).await?)?)
}
