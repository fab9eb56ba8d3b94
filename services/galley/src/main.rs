//! galley: parse, start, announce, wait, drain.

use std::time::Duration;

use clap::Parser;
use galley::{app, options::Options};
use mesh_bootstrap::{Admin, Drain, start_logs};

/// Answers that are on their way, and the lease that is given back, get this long.
const PATIENCE: Duration = Duration::from_secs(8);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let logs = start_logs(&options.logs)?;
    let drain = Drain::on_signals()?;
    let admin = Admin::new("galley", Some(logs));
    let running = app::start(&options, &admin, &drain).await?;
    tracing::info!(mcp = %running.mcp, webhooks = ?running.webhooks, admin = %running.admin, "listening");
    drain.requested().await;
    if !drain.finished(PATIENCE).await {
        tracing::warn!("ending although some work is not finished");
    }
    Ok(())
}
