//! lateen-ca: see the library's page.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use ca::{
    Authenticator, CaMetrics, Config, Service, Signer, distribute, keep_serving_certificate, kubernetes_reviewer,
    obtain,
};
use clap::Parser;
use mesh_bootstrap::{Admin, Drain, bind, causes, serve, start_logs};
use mesh_tls::{Clients, Peers, TlsListener, alpn, server_config};
use mesh_types::SpiffeId;
use tonic::transport::Server;

/// How long running calls may take after the end was asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How soon a start that failed at the Kubernetes API is tried again.
const RETRY: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<()> {
    let config = Config::parse();
    let admin = Admin::new("ca", Some(start_logs(&config.logs)?));
    let drain = Drain::on_signals()?;
    let ready = admin.readiness.gate("reading or making the root");
    let listener = bind(config.admin_port).await.with_context(|| format!("listening on port {}", config.admin_port))?;
    drain.spawn(serve(listener, admin.router(), drain.clone()));

    let client = kube::Client::try_default().await.context("finding the Kubernetes API")?;
    let authority = tokio::select! {
        authority = root(&client, &config) => Arc::new(authority),
        () = drain.requested() => return Ok(()),
    };
    let metrics = CaMetrics::new(&admin.metrics);
    metrics.set_root_expiry(authority.not_after());
    tokio::spawn(distribute(client.clone(), authority.roots().to_pem()));

    let signer = Signer::new(authority, &config);
    let id = SpiffeId::new(&config.trust_domain, &config.namespace, "ca")?;
    let credentials = keep_serving_certificate(signer.clone(), id)?;
    let tls = server_config(&credentials, Clients::Optional(Peers::domain(&config.trust_domain)), &[alpn::H2])?;
    let tcp = bind(config.port).await.with_context(|| format!("listening on port {}", config.port))?;
    let listener = TlsListener::new(tcp, tls)?;
    tracing::info!(address = %listener.local_addr(), "certificates are issued");
    ready.open();

    let authenticator = Authenticator::new(&config.trust_domain, kubernetes_reviewer(client));
    let end = drain.clone();
    let served = Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(Service::new(authenticator, signer, metrics))
        .serve_with_incoming_shutdown(listener.into_stream(), async move { end.requested().await });
    drain.spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "the certificate service failed");
        }
    });
    drain.requested().await;
    drain.finished(PATIENCE).await;
    Ok(())
}

/// The API server may come up after us, and Secrets may be repaired: tried until it works, while `/ready` says why not.
async fn root(client: &kube::Client, config: &Config) -> mesh_pki::Authority {
    loop {
        match obtain(client, &config.namespace, &config.trust_domain).await {
            Ok(authority) => return authority,
            Err(error) => {
                tracing::error!(error = causes(&error), "there is no root yet");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
