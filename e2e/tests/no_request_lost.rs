//! Promise: nothing that an operator does to the mesh loses a request: changes of configuration, restarts of the control
//! plane, rollouts of an application.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Space, eventually,
    mesh::{Caller, PATIENCE, Tally},
};
use k8s_openapi::{api::apps::v1::Deployment, jiff::Timestamp};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

/// How many times the routes change.
const CHANGES: u32 = 100;
/// Requests are sent until this file is there ..
const DONE: &str = "/tmp/done";
/// .. or all patience is at its end.
const SECONDS: &str = "300";
/// 200 a second are wished; a busy machine may manage fewer, but not as few as this in all.
const FEWEST: u64 = 3_000;
/// A pod that was replaced is gone after this time.
const FAREWELL: Duration = Duration::from_secs(15);

/// The page gives up on a service after three seconds. A machine that stands still for nearly as long loses requests
/// whatever the mesh does: what it did is judged by another run.
const STANDSTILL_MS: u64 = 1_000;
/// How often a run is repeated for that.
const RUNS: u32 = 3;

#[tokio::test]
async fn no_request_is_lost() -> Result<()> {
    let Some((cluster, _)) = Cluster::with_mesh("no_request_is_lost").await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.bookinfo().await?;
            let caller = space.caller("client").await?;
            for run in 1..=RUNS {
                let (tally, diary) = bad_day(&space, &caller).await?;
                ensure!(tally.sent > FEWEST, "too few requests to judge by: {tally:?}");
                let Err(lost) = tally.all_good() else { break };
                let told = format!(
                    "{lost}\nwhat was done:\n{}\nwhat the pods say:{}",
                    diary.0.join("\n"),
                    space.troubles().await
                );
                ensure!(tally.longest_pause_ms > STANDSTILL_MS && run < RUNS, "{told}");
                eprintln!("run {run} counts for nothing, as the machine stood still meanwhile: {told}");
            }
            Ok(())
        })
        .await
}

/// Requests, and all that may happen meanwhile.
async fn bad_day(space: &Space, caller: &Caller) -> Result<(Tally, Diary)> {
    caller.exec("caller", &["rm", "-f", DONE]).await?;
    let load = caller.load(&[
        "http://productpage:9080/productpage",
        "--rate",
        "200",
        "-c",
        "100",
        "-n",
        "0",
        "--seconds",
        SECONDS,
        "--until",
        DONE,
        // Details and reviews are both in the page; its own text names the author, but not the publisher.
        "--expect",
        "PublisherA",
        "--expect",
        "Reviewer1",
    ]);
    let mut diary = Diary::default();
    let (tally, disturbed) = tokio::join!(load, async {
        let disturbed = disturb(space, &mut diary).await;
        caller.exec("caller", &["touch", DONE]).await?;
        disturbed
    });
    disturbed?;
    Ok((tally?, diary))
}

/// What was done when, by the clock that the sidecars' logs go by.
#[derive(Default)]
struct Diary(Vec<String>);

impl Diary {
    fn note(&mut self, deed: &str) {
        self.0.push(format!("{} {deed}", Timestamp::now()));
    }
}

/// All that may happen to a mesh on a bad day.
async fn disturb(space: &Space, diary: &mut Diary) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    diary.note("the first change of routes");
    for change in 0..CHANGES {
        let weight = change % 100;
        let to = |subset: &str, weight| json!({"destination": {"host": "reviews", "subset": subset}, "weight": weight});
        let object = json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "reviews"},
            "spec": {"hosts": ["reviews"], "http": [{"route": [to("v1", weight), to("v3", 100 - weight)]}]},
        });
        space.apply_text(&object.to_string())?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    diary.note("the last change of routes");
    let system = Api::<Deployment>::namespaced(space.cluster.client.clone(), "istio-system");
    for name in ["pilot", "galley", "ca"] {
        restart(&system, name, diary).await?;
    }
    let own = space.api::<Deployment>();
    for name in ["reviews-v1", "reviews-v3"] {
        restart(&own, name, diary).await?;
    }
    // What ends may take some with it to the last.
    tokio::time::sleep(FAREWELL).await;
    Ok(())
}

/// `kubectl rollout restart`, and the wait for its end.
async fn restart(deployments: &Api<Deployment>, name: &str, diary: &mut Diary) -> Result<()> {
    diary.note(&format!("restart of {name}"));
    let now = format!("{:016x}", rand::random::<u64>());
    let annotation = json!({"kubectl.kubernetes.io/restartedAt": now});
    let patch = json!({"spec": {"template": {"metadata": {"annotations": annotation}}}});
    let wanted = deployments.patch(name, &PatchParams::default(), &Patch::Strategic(patch)).await?;
    let generation = wanted.metadata.generation;
    eventually("the rollout ends", PATIENCE, || async {
        let status = deployments.get(name).await?.status.unwrap_or_default();
        let done = status.observed_generation >= generation
            && status.updated_replicas == Some(1)
            && status.available_replicas == Some(1)
            && status.replicas == Some(1);
        Ok(done.then_some(()))
    })
    .await
    .with_context(|| format!("restart of {name}"))?;
    diary.note(&format!("{name} is restarted"));
    Ok(())
}
