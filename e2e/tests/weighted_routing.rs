//! Promise: a VirtualService decides which version of reviews answers, by weight and by header, and a change of it is
//! live at once.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use e2e::{
    Cluster, Space, eventually,
    mesh::{Caller, LIVE, share},
};
use serde_json::{Value, json};

/// How many requests a split is judged by.
const REQUESTS: u64 = 2_000;
/// How long routes may take on a machine that is busy with other tests; `a_change_is_live_at_once` judges the time.
const CONVERGED: Duration = Duration::from_secs(10);
/// How long weights may take on such a machine.
const SETTLED: Duration = Duration::from_secs(2);
const REVIEWS: &str = "http://reviews:9080/reviews/0";
const VERSION: &str = "\"podname\": ?\"reviews-(v[0-9])";

#[tokio::test]
async fn weighted_routing() -> Result<()> {
    let Some((cluster, _)) = Cluster::with_mesh("weighted_routing").await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.bookinfo().await?;
            let caller = space.caller("client").await?;
            for split in [[80, 20, 0], [50, 50, 0], [0, 100, 0], [20, 30, 50]] {
                route(&space, &by_weight(split))?;
                expect_split(&caller, &[], split).await.with_context(|| format!("weights {split:?}"))?;
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_header_chooses_the_version() -> Result<()> {
    let Some((cluster, _)) = Cluster::with_mesh("a_header_chooses_the_version").await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.bookinfo().await?;
            let caller = space.caller("client").await?;
            let jason = json!({"match": [{"headers": {"end-user": {"exact": "jason"}}}], "route": [to("v2", 100)]});
            route(&space, &[jason, json!({"route": [to("v1", 50), to("v3", 50)]})])?;
            expect_split(&caller, &["-H", "end-user: jason"], [0, 100, 0]).await?;
            expect_split(&caller, &["-H", "end-user: jasonx"], [50, 0, 50]).await?;
            expect_split(&caller, &[], [50, 0, 50]).await
        })
        .await
}

#[tokio::test]
async fn a_change_is_live_at_once() -> Result<()> {
    let Some((cluster, _)) = Cluster::with_mesh("a_change_is_live_at_once").await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.bookinfo().await?;
            let caller = space.caller("client").await?;
            for version in [1, 3, 2, 1, 3] {
                let mut split = [0; 3];
                split[version - 1] = 100;
                route(&space, &by_weight(split))?;
                let changed = Instant::now();
                tokio::time::sleep(LIVE).await;
                let tally = caller.load(&[REVIEWS, "-n", "100", "--group", VERSION]).await?;
                tally.all_good()?;
                let new = tally.group(&format!("v{version}"));
                ensure!(new == 100, "{:?} after the change: {tally:?}", changed.elapsed());
            }
            Ok(())
        })
        .await
}

/// Upstream's route files and what each of them promises by its name.
#[tokio::test]
async fn upstreams_routes_do_what_their_names_say() -> Result<()> {
    const TEST: &str = "upstreams_routes_do_what_their_names_say";
    let Some(samples) = Cluster::upstream(TEST) else { return Ok(()) };
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    let routes = samples.join("bookinfo/networking");
    cluster
        .in_namespace(|space| async move {
            space.bookinfo().await?;
            let caller = space.caller("client").await?;
            reviews_go_where_the_files_say(&space, &caller, &routes).await?;
            faults_are_for_jason(&space, &caller, &routes).await?;
            versions_without_pods_are_unavailable(&space, &caller, &routes).await
        })
        .await
}

const JASON: [&str; 2] = ["-H", "end-user: jason"];

async fn reviews_go_where_the_files_say(space: &Space, caller: &Caller, routes: &Path) -> Result<()> {
    let jason: &[&str] = &JASON;
    let files: &[(&str, &[&str], [u32; 3])] = &[
        ("all-v1", &[], [100, 0, 0]),
        ("reviews-v3", &[], [0, 0, 100]),
        ("reviews-80-20", &[], [80, 20, 0]),
        ("reviews-90-10", &[], [90, 10, 0]),
        ("reviews-50-v3", &[], [50, 0, 50]),
        ("reviews-v2-v3", &[], [0, 50, 50]),
        ("reviews-test-v2", &[], [100, 0, 0]),
        ("reviews-test-v2", jason, [0, 100, 0]),
        ("reviews-jason-v2-v3", &[], [0, 0, 100]),
        ("reviews-jason-v2-v3", jason, [0, 100, 0]),
    ];
    for (file, headers, split) in files {
        apply(space, routes, file)?;
        expect_split(caller, headers, *split).await.with_context(|| format!("{file} {headers:?}"))?;
    }
    Ok(())
}

async fn faults_are_for_jason(space: &Space, caller: &Caller, routes: &Path) -> Result<()> {
    const RATINGS: &str = "http://ratings:9080/ratings/0";
    let jason = &[&JASON[..], &[RATINGS]].concat();
    apply(space, routes, "ratings-test-abort")?;
    let (body, _) = expect_status(caller, jason, 500).await?;
    ensure!(body == "fault filter abort", "jason is aborted by {body}");
    expect_status(caller, &[RATINGS], 200).await?;
    apply(space, routes, "ratings-test-delay")?;
    expect_status(caller, jason, 200).await?;
    for (request, seconds) in [(&jason[..], 7), (&[RATINGS], 0)] {
        let (_, took) = expect_status(caller, request, 200).await?;
        ensure!((seconds..seconds + 3).contains(&took.as_secs()), "{request:?} waits {seconds} s, not {took:?}");
    }
    Ok(())
}

async fn versions_without_pods_are_unavailable(space: &Space, caller: &Caller, routes: &Path) -> Result<()> {
    for (file, url) in [
        ("details-v2", "http://details:9080/details/0"),
        ("ratings-db", "http://ratings:9080/ratings/0"),
        ("ratings-mysql", "http://ratings:9080/ratings/0"),
        ("ratings-mysql-vm", "http://ratings:9080/ratings/0"),
    ] {
        apply(space, routes, file)?;
        let (body, _) = expect_status(caller, &[url], 503).await.context(file)?;
        ensure!(body == "no healthy upstream", "{file}: {body}");
    }
    Ok(())
}

fn apply(space: &Space, routes: &Path, file: &str) -> Result<()> {
    space.apply(&routes.join(format!("virtual-service-{file}.yaml")))
}

/// Sends reviews' traffic by these routes.
fn route(space: &Space, http: &[Value]) -> Result<()> {
    let object = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "reviews"},
        "spec": {"hosts": ["reviews"], "http": http},
    });
    space.apply_text(&object.to_string())
}

fn by_weight(split: [u32; 3]) -> [Value; 1] {
    let destinations = split.iter().zip(["v1", "v2", "v3"]).filter(|(weight, _)| **weight > 0);
    [json!({"route": destinations.map(|(weight, subset)| to(subset, *weight)).collect::<Vec<_>>()})]
}

fn to(subset: &str, weight: u32) -> Value {
    json!({"destination": {"host": "reviews", "subset": subset}, "weight": weight})
}

/// Calls reviews until the routes of before are gone, then holds the versions that answer against the percentages.
async fn expect_split(caller: &Caller, headers: &[&str], split: [u32; 3]) -> Result<()> {
    let ask = async |count: u64| {
        let count = count.to_string();
        caller.load(&[headers, &[REVIEWS, "-n", &count, "--group", VERSION]].concat()).await
    };
    let versions = || ["v1", "v2", "v3"].into_iter().zip(split);
    eventually("the new routes are in force", CONVERGED, async || {
        let tally = ask(40).await?;
        tally.all_good()?;
        Ok(versions().all(|(version, percent)| (tally.group(version) > 0) == (percent > 0)).then_some(()))
    })
    .await?;
    // Who answers at all does not tell one split of two versions from another.
    tokio::time::sleep(SETTLED).await;
    let tally = ask(REQUESTS).await?;
    tally.all_good()?;
    for (version, percent) in versions() {
        share(version, tally.group(version), REQUESTS, percent.into())?;
    }
    Ok(())
}

/// Asks until the answer has this status; gives its body and how long it took.
async fn expect_status(caller: &Caller, request: &[&str], wanted: u16) -> Result<(String, Duration)> {
    eventually("the new routes are in force", CONVERGED, async || {
        let asked = Instant::now();
        let (status, body) = caller.curl(request).await?;
        ensure!(status == wanted, "{request:?} is answered with {status}: {body}");
        Ok(Some((body, asked.elapsed())))
    })
    .await
}
