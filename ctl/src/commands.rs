//! The verbs.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use injector::Settings;
use istio_api::MeshConfig;
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, Where},
    documents, egress, explain, inject, inspect, install, manifests,
    options::{NAMESPACE, Options},
    profile, scope,
};

/// Installs the mesh, and tells what it does.
#[derive(Debug, Parser)]
#[command(name = "lateenctl", version, about)]
pub struct Cli {
    /// Which cluster.
    #[command(flatten)]
    pub place: Where,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `lateenctl` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Install the mesh, or change what is installed
    Install(InstallArgs),
    /// Take the mesh out of the cluster
    Uninstall(UninstallArgs),
    /// Print what would be installed
    #[command(subcommand)]
    Manifest(ManifestCommand),
    /// Print definitions of kinds as YAML
    #[command(subcommand)]
    Crds(CrdsCommand),
    /// What profiles say
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// Add the proxy to the pods of a file
    KubeInject(InjectArgs),
    /// How far each proxy has followed its pilot
    #[command(alias = "ps")]
    ProxyStatus(inspect::StatusArgs),
    /// What a proxy was told
    #[command(subcommand, alias = "pc")]
    ProxyConfig(inspect::ConfigCommand),
    /// What a pod's proxy does with a request, and why
    Explain(explain::ExplainArgs),
    /// What leads traffic out through an egress gateway
    #[command(subcommand)]
    Egress(egress::EgressCommand),
    /// Which hosts a workload really calls, and a Sidecar object that covers them
    #[command(subcommand)]
    Scope(scope::ScopeCommand),
    /// Versions of this program and of what runs in the cluster
    Version(VersionArgs),
}

/// Verbs of `manifest`.
#[derive(Debug, Subcommand)]
pub enum ManifestCommand {
    /// Print the objects as YAML
    Generate(OptionArgs),
}

/// Verbs of `crds`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum CrdsCommand {
    /// Istio's kinds, which `install` brings
    Istio,
    /// The kinds of the Kubernetes Gateway API, which belong to the cluster and are not installed with the mesh
    GatewayApi,
}

/// What is to be installed.
#[derive(Args, Clone, Debug)]
pub struct OptionArgs {
    /// A file with an IstioOperator
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A setting, such as profile=demo, tag=1.2, meshConfig.outboundTrafficPolicy.mode=REGISTRY_ONLY
    #[arg(short = 's', long = "set", value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// The revision of this control plane
    #[arg(short = 'r', long)]
    pub revision: Option<String>,
}

/// Flags of `install`.
#[derive(Args, Clone, Debug)]
pub struct InstallArgs {
    /// What is to be installed.
    #[command(flatten)]
    pub options: OptionArgs,
    /// Do not ask
    #[arg(short = 'y', long = "skip-confirmation")]
    pub yes: bool,
    /// How long each part may take to become ready, in seconds (300, 300s) or minutes (5m)
    #[arg(long, default_value = "5m", value_parser = duration)]
    pub readiness_timeout: Duration,
}

/// Flags of `uninstall`.
#[derive(Args, Clone, Debug)]
pub struct UninstallArgs {
    /// Everything of the mesh (there is one revision only, so this is what uninstall means)
    #[arg(long)]
    pub purge: bool,
    /// Do not ask
    #[arg(short = 'y', long = "skip-confirmation")]
    pub yes: bool,
}

/// Flags of `kube-inject`.
#[derive(Args, Clone, Debug)]
pub struct InjectArgs {
    /// The file; `-` is standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub file: PathBuf,
    /// Where the result goes; standard output by default
    #[arg(short = 'o', long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The mesh's settings from this file instead of the cluster's ConfigMap `istio`
    #[arg(long = "meshConfigFile", value_name = "FILE")]
    pub mesh_config: Option<PathBuf>,
    /// The injector's settings from this file instead of the cluster's ConfigMap `istio-sidecar-injector`
    #[arg(long = "valuesFile", value_name = "FILE")]
    pub values: Option<PathBuf>,
}

/// Flags of `version`.
#[derive(Args, Clone, Debug)]
pub struct VersionArgs {
    /// Do not ask the cluster
    #[arg(long)]
    pub remote_off: bool,
}

impl Cli {
    /// Does it.
    pub async fn run(self, out: &mut impl Write) -> Result<()> {
        let place = self.place;
        match self.command {
            Command::Install(arguments) => install_mesh(&place, &arguments, out).await,
            Command::Uninstall(arguments) => uninstall_mesh(&place, &arguments, out).await,
            Command::Manifest(ManifestCommand::Generate(arguments)) => generate(&arguments, out),
            Command::Crds(CrdsCommand::Istio) => print(&istio_api::all_crds(), out),
            Command::Crds(CrdsCommand::GatewayApi) => print(&istio_api::gateway_api_crds(), out),
            Command::Profile(command) => command.run(out),
            Command::KubeInject(arguments) => kube_inject(&place, &arguments, out).await,
            Command::ProxyStatus(arguments) => inspect::status(&place, &arguments, out).await,
            Command::ProxyConfig(command) => command.run(&place, out).await,
            Command::Explain(arguments) => explain::run(&place, &arguments, out).await,
            Command::Egress(command) => command.run(&place, out).await,
            Command::Scope(command) => command.run(&place, out).await,
            Command::Version(arguments) => version(&place, &arguments, out).await,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| format!("\"{text}\" is not a duration such as 300s or 5m"))?;
    match unit {
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" | "m0s" => Ok(Duration::from_secs(number * 60)),
        _ => Err(format!("\"{text}\" is not a duration such as 300s or 5m")),
    }
}

/// Reads file and settings.
fn options(arguments: &OptionArgs) -> Result<Options> {
    let file = match &arguments.file {
        None => None,
        Some(path) => {
            let documents = documents::read(path)?;
            Some(documents.into_iter().next().with_context(|| format!("{} is empty", path.display()))?)
        }
    };
    let mut sets = arguments.set.clone();
    sets.extend(arguments.revision.iter().map(|revision| format!("revision={revision}")));
    Ok(Options::parse(file.as_ref(), &sets)?)
}

/// Whether the person at the terminal agrees.
fn agreed(question: &str, out: &mut impl Write) -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody is there to be asked; -y means yes");
    }
    write!(out, "{question} (y/N) ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn install_mesh(place: &Where, arguments: &InstallArgs, out: &mut impl Write) -> Result<()> {
    let options = options(&arguments.options)?;
    let question = format!("This installs the mesh, profile {:?}, into the cluster. Proceed?", options.profile);
    if !arguments.yes && !agreed(&question, out)? {
        return Ok(());
    }
    let cluster = place.connect().await?;
    Ok(install::install(&cluster, &options, arguments.readiness_timeout, out).await?)
}

async fn uninstall_mesh(place: &Where, arguments: &UninstallArgs, out: &mut impl Write) -> Result<()> {
    if !arguments.purge {
        bail!("uninstall takes the whole mesh out of the cluster; say so with --purge");
    }
    if !arguments.yes && !agreed("This takes the mesh out of the cluster. Proceed?", out)? {
        return Ok(());
    }
    let cluster = place.connect().await?;
    Ok(install::uninstall(&cluster, &Options::parse(None, &[])?, out).await?)
}

fn generate(arguments: &OptionArgs, out: &mut impl Write) -> Result<()> {
    let options = options(arguments)?;
    for note in &options.notes {
        writeln!(io::stderr(), "! {note}")?;
    }
    print(&manifests::all(&options)?, out)
}

fn print(objects: &[Value], out: &mut impl Write) -> Result<()> {
    for object in objects {
        writeln!(out, "---\n{}", documents::yaml(object)?.trim_end())?;
    }
    Ok(())
}

async fn kube_inject(place: &Where, arguments: &InjectArgs, out: &mut impl Write) -> Result<()> {
    let mut cluster = None;
    let mesh: MeshConfig = match &arguments.mesh_config {
        Some(path) => serde_json::from_value(first(path)?).with_context(|| path.display().to_string())?,
        None => from_cluster(place, &mut cluster, "istio", "mesh").await?,
    };
    let settings: Settings = match &arguments.values {
        Some(path) => serde_json::from_value(first(path)?).with_context(|| path.display().to_string())?,
        None => from_cluster(place, &mut cluster, "istio-sidecar-injector", "settings.yaml").await?,
    };
    let mut text = String::new();
    for document in documents::read(&arguments.file)? {
        let (document, said) = inject::inject(&document, &mesh, &settings)?;
        for words in said {
            writeln!(io::stderr(), "{words}")?;
        }
        text += &format!("{}\n---\n", documents::yaml(&document)?.trim_end());
    }
    match &arguments.output {
        Some(path) => std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        None => Ok(out.write_all(text.as_bytes())?),
    }
}

fn first(path: &std::path::Path) -> Result<Value> {
    documents::read(path)?.into_iter().next().with_context(|| format!("{} is empty", path.display()))
}

/// Settings as they stand in a ConfigMap of the mesh.
async fn from_cluster<T: serde::de::DeserializeOwned>(
    place: &Where,
    cluster: &mut Option<Cluster>,
    name: &str,
    key: &str,
) -> Result<T> {
    let connected = match cluster.take() {
        Some(cluster) => cluster,
        None => place.connect().await?,
    };
    let cluster = cluster.insert(connected);
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": place.istio_namespace } });
    let map =
        cluster.get(&map).await?.with_context(|| format!("there is no ConfigMap {name}; is the mesh installed?"))?;
    let text = map["data"][key].as_str().with_context(|| format!("ConfigMap {name} has no key {key}"))?;
    serde_saphyr::from_str(text).map_err(|error| anyhow::anyhow!("ConfigMap {name}, key {key}: {error}"))
}

/// The client's version; then, as istioctl, those of what runs.
async fn version(place: &Where, arguments: &VersionArgs, out: &mut impl Write) -> Result<()> {
    writeln!(out, "client version: {}", env!("CARGO_PKG_VERSION"))?;
    if arguments.remote_off {
        return Ok(());
    }
    let cluster = place.connect().await?;
    for part in manifests::Part::ALL {
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": part.name(), "namespace": NAMESPACE } });
        let found = cluster.get(&deployment).await?;
        let image = found.as_ref().and_then(|d| d["spec"]["template"]["spec"]["containers"][0]["image"].as_str());
        let tag = image.map(|image| image.rsplit_once(':').map_or(image, |(_, tag)| tag)).unwrap_or("not installed");
        writeln!(out, "{} version: {tag}", part.name())?;
    }
    for pod in cluster.list("v1", "Pod", &manifests::of_gateways()).await? {
        let proxies = pod["spec"]["containers"].as_array().into_iter().flatten();
        let image = proxies.into_iter().find(|container| container["name"] == "istio-proxy").map(|c| &c["image"]);
        let image = image.and_then(Value::as_str).unwrap_or_default();
        let tag = image.rsplit_once(':').map_or(image, |(_, tag)| tag);
        writeln!(out, "{} version: {tag}", pod["metadata"]["name"].as_str().unwrap_or_default())?;
    }
    Ok(())
}
