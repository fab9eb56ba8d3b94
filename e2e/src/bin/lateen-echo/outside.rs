//! Hosts beyond the mesh, by HTTP and HTTPS: they tell callers their addresses. For clusters whose pods reach no such hosts.
//!
//! The certificate is for the names of [`NAMES`], from an authority that is made anew with each start; whoever asks
//! [`AUTHORITY`] gets it.

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use anyhow::{Context, Result};
use bytes::Bytes;
use e2e::{
    outside::{AUTHORITY, NAMES},
    pki::authority,
};
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Serves for ever.
pub(crate) async fn serve(plain: TcpListener, secure: TcpListener) -> Result<()> {
    let (acceptor, authority) = tls()?;
    let authority: Arc<str> = authority.into();
    let for_plain = async {
        loop {
            let (stream, peer) = plain.accept().await?;
            tokio::spawn(connection(stream, peer.ip(), Arc::clone(&authority)));
        }
    };
    let for_secure = async {
        loop {
            let (stream, peer) = secure.accept().await?;
            let (acceptor, authority) = (acceptor.clone(), Arc::clone(&authority));
            tokio::spawn(async move {
                match acceptor.accept(stream).await {
                    Ok(stream) => connection(stream, peer.ip(), authority).await,
                    Err(error) => eprintln!("{peer}: no TLS: {error}"),
                }
            });
        }
    };
    tokio::select! { ended = for_plain => ended, ended = for_secure => ended }
}

/// A certificate for all names, and its authority as PEM.
fn tls() -> Result<(TlsAcceptor, String)> {
    let authority = authority("authority of the hosts beyond")?;
    let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .context("the certificate does not fit its key")?;
    Ok((TlsAcceptor::from(Arc::new(config)), authority.pem()))
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: IpAddr, authority: Arc<str>) {
    let answer = service_fn(|request| {
        let answer = answer(&request, peer, &authority);
        async { Ok::<_, Infallible>(answer) }
    });
    let served = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
    if let Err(error) = served {
        eprintln!("{peer}: the connection ended badly: {error}");
    }
}

fn answer(request: &Request<Incoming>, peer: IpAddr, authority: &str) -> Response<Full<Bytes>> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or_default();
    let body = match (host.split(':').next().unwrap_or_default(), request.uri().path()) {
        (AUTHORITY, _) => authority.to_owned(),
        ("ifconfig.me", _) => format!("{peer}\n"),
        ("edition.cnn.com", _) => "<title>Breaking News</title>\n".to_owned(),
        (_, "/ip") => format!("{{\"origin\": \"{peer}\"}}\n"),
        (name, path) => format!("{name} has a page at {path}\n"),
    };
    Response::new(Full::from(body))
}
