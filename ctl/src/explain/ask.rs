//! Asking the pilots for what they know of a proxy.

use anyhow::{Context, Result, bail};
use hyper::Method;

use super::world::Told;
use crate::{
    cluster::{Cluster, Where, request::PodName},
    inspect::{PILOT_ADMIN, pilots},
};

/// What the pilot that a pod's proxy is connected to knows.
pub(super) async fn told(place: &Where, target: &str) -> Result<Told> {
    let cluster = place.connect().await?;
    let pod = cluster.pod(target).await?;
    told_of(&cluster, place, &pod).await
}

/// The same, of a pod that was found already.
pub(crate) async fn told_of(cluster: &Cluster, place: &Where, pod: &PodName) -> Result<Told> {
    let PodName { namespace, name } = pod;
    let path = format!("/debug/recordz?proxyID={name}.{namespace}");
    let pilots = pilots(cluster, place).await?;
    for pilot in &pilots {
        let body = cluster.ask(pilot, PILOT_ADMIN, Method::GET, &path).await?;
        let told: Told = serde_json::from_slice(&body).context("pilot's answer is not what it should be")?;
        if told.proxy.is_some() {
            return Ok(told);
        }
    }
    bail!(
        "pod {namespace}/{name} has no proxy that is connected to pilot ({} asked); `lateenctl proxy-status` lists those \
         that are, and `kubectl -n {namespace} get pod {name}` shows whether it has a container istio-proxy",
        pilots.len()
    );
}
