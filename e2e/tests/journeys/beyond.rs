//! Hosts beyond the mesh, and who they see.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::{eventually, mesh::Caller, proxy::Proxy};

/// How long a change may take on a machine that is busy with other tests.
pub(crate) const CONVERGED: Duration = Duration::from_secs(20);

/// Asks for `url` until it is answered with 200 and a line of `proxy`'s log holds all of `parts`; gives that line.
pub(crate) async fn is_logged(caller: &Caller, url: &str, proxy: &Proxy, parts: &[&str]) -> Result<String> {
    eventually(&format!("{url} shows as {parts:?} in the log of {}", proxy.pod), CONVERGED, async || {
        let (status, body) = caller.curl(&[url]).await?;
        ensure!(status == 200, "{status}: {body}");
        // The newest line may take a second to be written; the next round finds it.
        let log = proxy.log().await?;
        let last: Vec<&str> = log.lines().rev().take(4).collect();
        let found = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        Ok(Some(found.with_context(|| format!("the last lines are {last:#?}"))?.to_owned()))
    })
    .await
}

/// Asks for `url`, which answers with the caller's address, until that is `address`.
pub(crate) async fn sees(caller: &Caller, url: &str, address: &str) -> Result<()> {
    eventually(&format!("{url} sees {address}"), CONVERGED, async || {
        let (status, body) = caller.curl(&[url]).await?;
        ensure!(status == 200 && body.contains(address), "{status}: {body}");
        Ok(Some(()))
    })
    .await
}

/// The head of the answer to `curl -sSL -o /dev/null -D - URL`, as the journey's author looked at it.
pub(crate) async fn head(caller: &Caller, url: &str) -> Result<String> {
    let head = caller.exec("caller", &["curl", "-sSL", "-m", "10", "-o", "/dev/null", "-D", "-", url]).await?;
    Ok(head.to_ascii_lowercase())
}

/// Runs curl until it fails; gives what it said.
pub(crate) async fn fails(caller: &Caller, arguments: &[&str]) -> Result<String> {
    eventually(&format!("{arguments:?} is refused"), CONVERGED, async || match caller.curl(arguments).await {
        Ok((status, _)) => bail!("it is answered with {status}"),
        Err(error) => Ok(Some(format!("{error:#}"))),
    })
    .await
}
