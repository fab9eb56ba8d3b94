//! Promise: the images that `cargo xtask images` writes run on Docker as they are, and make a mesh there without Kubernetes.
//!
//! ```text
//!   a folder of YAML ► galley ─► pilot ─► proxy, as the door of a Gateway ─► reviews ─► ratings
//! ```
//!
//! Names are those of Docker's own DNS: programs without a libc beside them must find them, too.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use e2e::{eventually, http};
use serde_json::{Value, json};
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, Image, ImageExt, core::IntoContainerPort, runners::AsyncRunner,
};

const TEST: &str = "images_run_on_docker";
const PATIENCE: Duration = Duration::from_secs(60);

/// The tags of our own images and of the sample under upstream's name, as the task gives them by default.
const TAG: &str = env!("CARGO_PKG_VERSION");
const SAMPLE_TAG: &str = "1.20.2";

#[tokio::test]
async fn images_run_on_docker() -> Result<()> {
    let names = ["galley", "pilot", "proxy", "bookinfo-ratings", "examples-bookinfo-reviews-v3"];
    match lack(&names) {
        None => {}
        // Whoever names the images wants to know.
        Some(lack) if env::var_os("LATEEN_IMAGES").is_some() => anyhow::bail!("{lack}"),
        Some(lack) => {
            eprintln!("{TEST} was not run: {lack}");
            return Ok(());
        }
    }
    for name in names {
        let archive = images().join(name).with_extension("tar");
        succeeded(docker(&["load", "--input", &archive.display().to_string()])?)?;
    }

    let ratings = start("lateen/bookinfo-ratings", TAG, |ratings| ratings).await?;
    let reviews = start("istio/examples-bookinfo-reviews-v3", SAMPLE_TAG, |reviews| {
        reviews.with_env_var("RATINGS_HOSTNAME", name("bookinfo-ratings"))
    });
    let reviews = reviews.await?;
    let galley = start("lateen/galley", TAG, |galley| {
        let folder = ["--plaintext", "--config-dir", "/etc/mesh"];
        galley.with_copy_to("/etc/mesh/mesh.yaml", mesh().into_bytes()).with_cmd(folder)
    });
    let galley = galley.await?;
    let pilot = start("lateen/pilot", TAG, |pilot| {
        let galley = format!("{}:9901", name("galley"));
        pilot.with_cmd(["--galley", &galley, "--galley-plaintext", "--plaintext", "--mtls", "false"])
    });
    let pilot = pilot.await?;
    let door = start("lateen/proxy", TAG, |door| {
        let settings =
            json!({ "discoveryAddress": format!("{}:15010", name("pilot")), "controlPlaneAuthPolicy": "NONE" });
        door.with_copy_to("/etc/istio/pod/labels", b"app=\"door\"\n".to_vec())
            .with_env_var("PROXY_CONFIG", settings.to_string())
            .with_env_var("POD_NAMESPACE", "default")
            .with_cmd(["proxy", "router"])
    });
    let door = door.await?;

    let tried = visit(&door).await;
    if tried.is_err() {
        for container in [&ratings, &reviews, &galley, &pilot, &door] {
            let said = docker(&["logs", container.id()])?;
            let said = [said.stdout, said.stderr].concat();
            eprintln!("{}:\n{}", container.image().name(), String::from_utf8_lossy(&said));
        }
    }
    tried
}

/// Comes in by the door, and sees what only all of them together can give.
async fn visit(door: &ContainerAsync<GenericImage>) -> Result<()> {
    let page = format!("http://{}:{}", door.get_host().await?, door.get_host_port_ipv4(8080).await?);
    let answer = eventually("reviews answer through the door", PATIENCE, || async {
        let answer = http::get(&format!("{page}/reviews/0")).await?;
        Ok(answer.status.is_success().then_some(answer))
    });
    let reviews: Value = serde_json::from_str(&answer.await?.body)?;
    let rating = &reviews["reviews"][0]["rating"];
    ensure!(rating["color"] == "red" && rating["stars"].is_u64(), "reviews have no stars of ratings': {reviews}");
    let refused = http::get(&format!("{page}/teapot")).await?;
    ensure!(refused.status == 418, "the route that answers itself answers {}", refused.status);
    Ok(())
}

/// What the mesh consists of.
fn mesh() -> String {
    let metadata = json!({ "name": "door", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z" });
    let object = |kind: &str, spec: Value| {
        json!({ "apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec }).to_string()
    };
    let destination = json!({ "host": "reviews.example", "port": { "number": 9080 } });
    let prefix = |path: &str| json!([{ "uri": { "prefix": path } }]);
    [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "default" } }).to_string(),
        object(
            "ServiceEntry",
            json!({
                "hosts": ["reviews.example"], "location": "MESH_INTERNAL", "resolution": "DNS",
                "ports": [{ "number": 9080, "name": "http", "protocol": "HTTP" }],
                "endpoints": [{ "address": name("examples-bookinfo-reviews-v3") }],
            }),
        ),
        object(
            "Gateway",
            json!({
                "selector": { "app": "door" },
                "servers": [{ "port": { "number": 8080, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] }],
            }),
        ),
        object(
            "VirtualService",
            json!({
                "hosts": ["*"], "gateways": ["door"],
                "http": [
                    { "match": prefix("/teapot"), "directResponse": { "status": 418 } },
                    { "match": prefix("/reviews"), "route": [{ "destination": destination }] },
                ],
            }),
        ),
    ]
    .join("\n---\n")
}

/// Starts an image on the test's own network.
async fn start(
    image: &str,
    tag: &str,
    settings: impl FnOnce(ContainerRequest<GenericImage>) -> ContainerRequest<GenericImage>,
) -> Result<ContainerAsync<GenericImage>> {
    let own = name(image.rsplit('/').next().unwrap_or(image));
    let request = GenericImage::new(image, tag).with_exposed_port(8080.tcp());
    let request = request.with_network(name("mesh")).with_container_name(own);
    settings(request).start().await.with_context(|| format!("{image} does not start"))
}

/// A name that no other run of this test uses.
fn name(of: &str) -> String {
    format!("lateen-{}-{of}", std::process::id())
}

/// Where the images are.
fn images() -> PathBuf {
    let built = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/images");
    env::var_os("LATEEN_IMAGES").map_or_else(built, PathBuf::from)
}

/// What this cannot be tried without.
fn lack(names: &[&str]) -> Option<String> {
    if !docker(&["version"]).is_ok_and(|answer| answer.status.success()) {
        return Some("no Docker answers (DOCKER_HOST)".to_owned());
    }
    let images = images();
    let missing: Vec<&str> =
        names.iter().copied().filter(|name| !images.join(name).with_extension("tar").is_file()).collect();
    (!missing.is_empty()).then(|| {
        let missing = missing.join(" ");
        format!("{} lacks images; `cargo xtask images {missing}` writes them", images.display())
    })
}

fn docker(args: &[&str]) -> Result<Output> {
    Command::new("docker").args(args).output().context("docker")
}

fn succeeded(output: Output) -> Result<()> {
    ensure!(output.status.success(), "docker: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
