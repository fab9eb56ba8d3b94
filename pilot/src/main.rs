//! The program `lateen-pilot`: parse, connect to galley, serve proxies, tell about itself, end gently.
//!
//! What it does is in the library of this package; see there.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use mesh_bootstrap::{Admin, Drain};
use mesh_identity::Credentials;
use mesh_proto::envoy::envoy::config::core::v3::Node;
use mesh_tls::{Clients, Peers, alpn};
use mesh_xds::{
    client::{self, Backoff, Events, Settings, Subscriber},
    server, transport,
};
use pilot::{config::Config, debug, intake, metrics::Metrics, proxies::Proxies, source::Pilot};
use tokio::sync::watch;
use tracing::info;

/// Streams end at once when asked to; this is for what is being written.
const FAREWELL: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<()> {
    let config = Config::parse();
    let logs = mesh_bootstrap::start_logs(&config.logs)?;
    let drain = Drain::on_signals().context("signals cannot be listened to")?;
    let admin = Admin::new("pilot", Some(logs));
    let metrics = Metrics::new(&admin.metrics);
    let credentials = credentials(&config)?;

    let (published, worlds) = watch::channel(None);
    let gate = admin.readiness.gate("galley has not told everything yet");
    let galley = galley(&config, credentials.as_ref())?;
    let intake = tokio::spawn(intake::run(galley, published, config.pace(), metrics.clone(), gate));

    let proxies = Proxies::new(metrics.clone());
    let name = Arc::from(config.name.as_str());
    let secure = Pilot { worlds: worlds.clone(), proxies: proxies.clone(), metrics, name, plaintext: false };
    let pages = debug::router(debug::Debug { worlds, proxies });
    let pages = admin.router().merge(mesh_bootstrap::local_only(pages));
    for port in [config.admin_port, config.ready_port] {
        let listener = mesh_bootstrap::bind(port).await.with_context(|| format!("admin port {port}"))?;
        info!(port, "admin");
        drain.spawn(mesh_bootstrap::serve(listener, pages.clone(), drain.clone()));
    }
    if let Some(port) = config.plaintext {
        serve(port, transport::Plaintext, Pilot { plaintext: true, ..secure.clone() }, &drain).await?;
    }
    if let Some(credentials) = &credentials {
        let gate = admin.readiness.gate("no certificate yet");
        let clients = Clients::Required(Peers::domain(&config.identity.trust_domain));
        let tls = mesh_tls::server_config(credentials, clients, &[alpn::H2])?;
        serve(config.xds_port, transport::Tls::new(tls), secure, &drain).await?;
        let credentials = credentials.clone();
        tokio::spawn(async move {
            if credentials.ready().await.is_some() {
                gate.open();
            }
        });
    }
    tokio::select! {
        () = drain.requested() => {}
        ended = intake => ended.context("the intake broke")?,
    }
    drain.begin();
    drain.finished(FAREWELL).await;
    Ok(())
}

fn credentials(config: &Config) -> Result<Option<Credentials>> {
    let is_needed = config.mtls || !config.galley_plaintext;
    let settings = config.identity.settings("pilot").context("the options of identity make none")?;
    Ok(is_needed.then(|| mesh_identity::start(settings)))
}

/// The client of galley.
fn galley(config: &Config, credentials: Option<&Credentials>) -> Result<(Subscriber, Events)> {
    let node = Node { id: "pilot".to_owned(), cluster: config.name.clone(), ..Node::default() };
    let settings = Settings { node, backoff: Backoff::new(rand::random::<f64>) };
    info!(galley = config.galley, "asking galley");
    Ok(match credentials.filter(|_| !config.galley_plaintext) {
        Some(credentials) => client::start(client::Tls::new(&config.galley, credentials)?, settings),
        None => client::start(client::Plaintext::new(config.galley.as_str()), settings),
    })
}

async fn serve(port: u16, greet: impl transport::Greet, source: Pilot, drain: &Drain) -> Result<()> {
    let listener = mesh_bootstrap::bind(port).await.with_context(|| format!("port {port} for proxies"))?;
    info!(port, plaintext = source.plaintext, "serving proxies");
    let stop = drain.clone();
    drain.spawn(async move {
        if let Err(error) = server::serve(listener, greet, Arc::new(source), async { stop.requested().await }).await {
            tracing::error!(%error, port, "no longer serving proxies");
            stop.begin();
        }
    });
    Ok(())
}
