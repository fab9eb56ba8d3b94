//! Journey 3, the other way round: the proxy has learned whom its workload calls, and the Sidecar object is written from that.

use anyhow::{Context, Result, bail, ensure};
use e2e::{
    Cluster, Space,
    ctl::lateenctl,
    eventually,
    mesh::{Caller, DataPlane},
};
use serde_json::Value;

use crate::beyond::CONVERGED;

#[tokio::test]
async fn journey_3_the_scope_is_written_from_what_was_called() -> Result<()> {
    const TEST: &str = "journey_3_the_scope_is_written_from_what_was_called";
    let Some((cluster, data_plane)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|bookinfo| async move {
            let other = bookinfo.cluster.clone();
            other.in_namespace(|own| async move { learn(&own, &bookinfo, data_plane).await }).await
        })
        .await
}

async fn learn(own: &Space, bookinfo: &Space, data_plane: DataPlane) -> Result<()> {
    own.opt_in().await?;
    let (shell, _) = tokio::try_join!(own.caller("my-shell"), bookinfo.bookinfo())?;
    let name = shell.proxy.name();
    if data_plane == DataPlane::Envoy {
        let said = lateenctl(&["scope", "show", &name], "").await.err().context("Envoy is said to remember calls")?;
        ensure!(format!("{said:#}").contains("which does not remember who was called"), "{said:#}");
        return Ok(());
    }
    let said = lateenctl(&["scope", "export", &name], "").await.err().context("a scope was written from no call")?;
    ensure!(format!("{said:#}").contains("has called no host of the mesh yet"), "{said:#}");

    // Pods may be ready a moment before the shell's proxy has heard of it.
    for (service, path) in [("reviews", "/reviews/1"), ("details", "/details/1")] {
        eventually("the service answers", CONVERGED, async || {
            calls(&shell, bookinfo, service, path, None).await.map(Some)
        })
        .await?;
    }
    let before = called(&shell, bookinfo).await?;
    for _ in 0..3 {
        calls(&shell, bookinfo, "reviews", "/reviews/1", None).await?;
    }
    calls(&shell, bookinfo, "details", "/details/1", None).await?;
    let after = called(&shell, bookinfo).await?;
    let more = |service: &str, calls: u64| (service.to_owned(), calls, "inScope".to_owned());
    let [(_, details, _), (_, reviews, _)] = &before[..] else { bail!("two services were called, not {before:?}") };
    let expected = [more("details", details + 1), more("reviews", reviews + 3)];
    ensure!(after == expected, "scope show has {after:?}, not {expected:?}");

    let sidecar = lateenctl(&["scope", "export", &name], "").await?;
    own.apply_text(&sidecar)?;
    eventually("what was not called is out of scope", CONVERGED, async || {
        calls(&shell, bookinfo, "ratings", "/ratings/1", Some("PASSTHROUGH")).await.map(Some)
    })
    .await?;
    calls(&shell, bookinfo, "reviews", "/reviews/1", None).await?;
    let missed = eventually("the miss is remembered", CONVERGED, async || {
        let called = called(&shell, bookinfo).await?;
        Ok(called.into_iter().find(|(service, _, scope)| service == "ratings" && scope == "missed"))
    })
    .await?;
    let counted = shell.proxy.statistic("lateen.scope_miss").await?;
    ensure!(missed.1 >= 1 && counted >= missed.1, "{missed:?}, and {counted} are counted");
    let host = format!("host=\"ratings.{}:9080\"", bookinfo.name);
    let object = format!("object=\"Sidecar {}/", own.name);
    shell.proxy.logged(&["PassthroughCluster", "reason=PASSTHROUGH", &host, &object, "hint=", "try="]).await?;

    // Written anew, it holds what was missed.
    let sidecar = lateenctl(&["scope", "export", &name], "").await?;
    own.apply_text(&sidecar)?;
    eventually("what was missed is in scope", CONVERGED, async || {
        calls(&shell, bookinfo, "ratings", "/ratings/1", None).await.map(Some)
    })
    .await?;
    shell.proxy.accepts_all().await
}

/// Calls a service by name, and holds its answer to be good and to come with this reason.
async fn calls(shell: &Caller, of: &Space, service: &str, path: &str, reason: Option<&str>) -> Result<()> {
    let url = format!("http://{service}.{}:9080{path}", of.name);
    let (status, said) = shell.curl(&["-D", "-", &url]).await?;
    ensure!(status == 200, "{url}: {said}");
    let told = said.lines().find_map(|line| line.strip_prefix("x-lateen-reason: ")).map(str::trim);
    ensure!(told == reason, "{url} comes with reason {told:?}, not {reason:?}");
    Ok(())
}

/// The services of a namespace that `scope show` lists: name, calls, and how they stand to the scope.
async fn called(shell: &Caller, of: &Space) -> Result<Vec<(String, u64, String)>> {
    let said = lateenctl(&["scope", "show", &shell.proxy.name(), "-o", "json"], "").await?;
    let rows: Vec<Value> = serde_json::from_str(&said).with_context(|| format!("no JSON: {said}"))?;
    let end = format!(".{}.svc.cluster.local", of.name);
    let row = |row: &Value| {
        let service = row["host"].as_str()?.strip_suffix(&end)?.to_owned();
        Some((service, row["calls"].as_u64()?, row["scope"].as_str()?.to_owned()))
    };
    Ok(rows.iter().filter_map(row).collect())
}
