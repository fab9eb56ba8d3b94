//! What is beyond the cluster: some well-known hosts, by name, with HTTP, HTTPS and TCP, and the DNS that knows them.
//!
//! Nothing here reaches the real internet. HTTPS certificates come from an authority of this instance; containers that
//! have [`Outside::write_trust`]'s bundle trust it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{FutureExt, future::BoxFuture};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, RecordType, rdata::A},
};
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{
    dns::wire::{Responder, reply, serve},
    echo,
    httpd::{self, Answer, Body, Connection},
    topology::{Network, OUTSIDE_DNS},
};
use crate::api::pki::{Authority, PkiError};

/// The `resolv.conf` of whoever asks the outside's DNS directly: nodes, and pods with `dnsPolicy: Default`.
pub const RESOLV_CONF: &str = "nameserver 203.0.113.53\n";

/// Where TCP is echoed line by line, at every host: a port for anything, and a database's.
const TCP_ECHO: &[u16] = &[9000, 3306];
/// The last byte of the first host's address.
const FIRST_ADDRESS: u8 = 60;
/// How long names may be kept, in seconds.
const TTL: u32 = 60;
/// Where this machine's own trusted authorities are.
const MACHINE_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How a host answers HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// The routes of httpbin.
    Httpbin,
    /// The caller's address, and nothing else.
    Caller,
    /// A page with this title, whatever the path.
    Page(&'static str),
    /// As `Page`, but only by HTTPS: HTTP is redirected.
    SecurePage(&'static str),
}

const HOSTS: &[(&str, Manner)] = &[
    ("ifconfig.me", Manner::Caller),
    ("httpbin.org", Manner::Httpbin),
    ("example.com", Manner::Page("Example Domain")),
    ("www.example.com", Manner::Page("Example Domain")),
    ("tcp.example.com", Manner::Httpbin),
    ("edition.cnn.com", Manner::SecurePage("Breaking News")),
    ("google.com", Manner::Page("Google")),
    ("www.google.com", Manner::Page("Google")),
    ("www.googleapis.com", Manner::Httpbin),
    ("api.github.com", Manner::Httpbin),
    ("istio.io", Manner::SecurePage("Istio")),
    ("www.wikipedia.org", Manner::SecurePage("Wikipedia")),
    ("en.wikipedia.org", Manner::SecurePage("Wikipedia, the free encyclopedia")),
    ("de.wikipedia.org", Manner::SecurePage("Wikipedia – Die freie Enzyklopädie")),
    // Every name of a domain.
    ("*.example.org", Manner::Httpbin),
];

/// The outside could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// A name that is none.
    #[error("outside host {0:?} is not a host name: use letters, digits, hyphens and dots")]
    Name(String),
    /// More names than addresses.
    #[error("{0} outside hosts are too many: there are addresses for {1}")]
    TooMany(usize, usize),
    /// A socket or a namespace failed.
    #[error("cannot listen in the outside")]
    Io(#[from] io::Error),
    /// A certificate could not be made.
    #[error("cannot make the outside's certificates")]
    Pki(#[from] PkiError),
    /// TLS could not be set up.
    #[error("cannot set up TLS in the outside")]
    Tls(#[from] rustls::Error),
    /// A certificate could not be read back.
    #[error("cannot read a certificate of the outside")]
    Pem(#[from] rustls::pki_types::pem::Error),
}

/// One name and how it answers.
#[derive(Clone, Copy, Debug)]
struct Host {
    address: Ipv4Addr,
    manner: Manner,
}

/// All hosts by name; `*.` stands for one or more labels.
#[derive(Debug)]
struct Hosts(BTreeMap<String, Host>);

/// A certificate for each host, chosen by the name that the caller asks for.
#[derive(Debug)]
struct Certificates(BTreeMap<String, Arc<CertifiedKey>>);

/// The running outside; dropped, its servers end.
#[derive(Debug)]
pub struct Outside {
    authority: String,
    _servers: JoinSet<()>,
}

impl Outside {
    /// Starts the servers in the network's outside. `more` are further names, which answer as httpbin does.
    pub async fn start(network: &Network, more: &[String]) -> Result<Self, OutsideError> {
        let hosts = Arc::new(Hosts::new(more)?);
        let authority = Authority::generate("localkube outside")?;
        let tls = TlsAcceptor::from(hosts.tls(&authority)?);
        let netns = network.outside();
        let at = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        let dns = SocketAddr::from((OUTSIDE_DNS, 53));
        let (udp, tcp) = (netns.bind_udp(dns)?, netns.listen_tcp(dns)?);
        let mut servers = JoinSet::new();
        let names = hosts.clone();
        servers.spawn(async move {
            if let Err(error) = serve(udp, tcp, names).await {
                tracing::error!(%error, "the outside's DNS stopped");
            }
        });
        for (port, tls) in [(80, None), (443, Some(tls))] {
            let (listener, hosts) = (netns.listen_tcp(at(port))?, hosts.clone());
            let handler = move |request, connection| hosts.clone().answer(request, connection);
            servers.spawn(httpd::serve(listener, tls, Arc::new(handler)));
        }
        for port in TCP_ECHO {
            servers.spawn(echo::echo_lines(netns.listen_tcp(at(*port))?, "hello".into()));
        }
        Ok(Self { authority: authority.certificate().to_owned(), _servers: servers })
    }

    /// The authority behind the outside's HTTPS certificates, as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Writes `outside-ca.crt` (the authority alone) into `folder`, and `ca-certificates.crt`: it and all that this
    /// machine trusts. Returns the latter's path; bound to `/etc/ssl/certs/ca-certificates.crt` of a container, it
    /// makes the outside's HTTPS trusted there.
    pub fn write_trust(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::write(folder.join("outside-ca.crt"), &self.authority)?;
        let machine = match fs::read_to_string(MACHINE_BUNDLE) {
            Ok(bundle) => bundle,
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(e),
        };
        let path = folder.join("ca-certificates.crt");
        fs::write(&path, machine + &self.authority)?;
        Ok(path)
    }
}

impl Hosts {
    fn new(more: &[String]) -> Result<Self, OutsideError> {
        let own = HOSTS.iter().map(|(name, manner)| ((*name).to_owned(), *manner));
        let further = more.iter().map(|name| (name.to_ascii_lowercase(), Manner::Httpbin));
        let mut by_name = BTreeMap::new();
        let count = HOSTS.len() + more.len();
        let mut addresses = (FIRST_ADDRESS..255).map(|last| Ipv4Addr::new(203, 0, 113, last));
        let room = addresses.len();
        for (name, manner) in own.chain(further) {
            if !is_host_name(name.strip_prefix("*.").unwrap_or(&name)) {
                return Err(OutsideError::Name(name));
            }
            if let Entry::Vacant(place) = by_name.entry(name) {
                let address = addresses.next().ok_or(OutsideError::TooMany(count, room))?;
                place.insert(Host { address, manner });
            }
        }
        Ok(Self(by_name))
    }

    /// A certificate for each host, chosen by the name that the caller asks for.
    fn tls(&self, authority: &Authority) -> Result<Arc<ServerConfig>, OutsideError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut by_name = BTreeMap::new();
        for name in self.0.keys() {
            let identity = authority.host(name)?;
            let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes())?];
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
            let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(key)?);
            by_name.insert(name.clone(), Arc::new(certified));
        }
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Certificates(by_name)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn answer(self: Arc<Self>, request: Request<Incoming>, connection: Connection) -> Answer {
        let named = request.uri().authority().map(ToString::to_string);
        let header = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).map(str::to_owned);
        let name = named.or(header).unwrap_or_default().to_ascii_lowercase();
        let name = name.split(':').next().unwrap_or_default();
        let path = request.uri().path();
        let now = |answer| std::future::ready(answer).boxed();
        match find(&self.0, name).map_or(Manner::Httpbin, |host| host.manner) {
            Manner::Caller if path == "/" || path == "/ip" => {
                now(httpd::text(StatusCode::OK, connection.peer.ip().to_string()))
            }
            Manner::Httpbin | Manner::Caller => echo::answer(request, connection),
            Manner::SecurePage(_) if !connection.is_tls => now(secure(name, &request)),
            Manner::Page(title) | Manner::SecurePage(title) => now(page(name, title)),
        }
    }
}

/// What stands under a name, or under `*.` and one of its parents, the nearest first.
fn find<'a, T>(by_name: &'a BTreeMap<String, T>, name: &str) -> Option<&'a T> {
    let parents = name.match_indices('.').map(|(dot, _)| format!("*{}", &name[dot..]));
    by_name.get(name).or_else(|| parents.into_iter().find_map(|wild| by_name.get(&wild)))
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        find(&self.0, &hello.server_name()?.to_ascii_lowercase()).cloned()
    }
}

/// Sends the caller to the same place by HTTPS.
fn secure(name: &str, request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut answer = httpd::text(StatusCode::MOVED_PERMANENTLY, "");
    match header::HeaderValue::from_str(&format!("https://{name}{path}")) {
        Ok(place) => drop(answer.headers_mut().insert(header::LOCATION, place)),
        Err(_) => *answer.status_mut() = StatusCode::BAD_REQUEST,
    }
    answer
}

fn page(name: &str, title: &str) -> Response<Body> {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1><p>{name}, as localkube's outside plays it.</p></body>\n</html>\n"
    );
    httpd::answer(StatusCode::OK, "text/html; charset=utf-8", text)
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let (first, last) = (label.as_bytes().first(), label.as_bytes().last());
        label.len() <= 63
            && [first, last].iter().all(|b| b.is_some_and(u8::is_ascii_alphanumeric))
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

impl Responder for Hosts {
    fn respond<'a>(&'a self, query: &'a Message) -> BoxFuture<'a, Message> {
        let Some(question) = query.queries.first() else {
            return std::future::ready(reply(query, ResponseCode::FormErr)).boxed();
        };
        let name = question.name().to_lowercase().to_ascii();
        let answer = match find(&self.0, name.trim_end_matches('.')) {
            None => reply(query, ResponseCode::NXDomain),
            Some(host) => {
                let mut answer = reply(query, ResponseCode::NoError);
                answer.metadata.authoritative = true;
                if matches!(question.query_type(), RecordType::A | RecordType::ANY) {
                    let address = RData::A(A(host.address));
                    answer.add_answer(Record::from_rdata(question.name().clone(), TTL, address));
                }
                answer
            }
        };
        std::future::ready(answer).boxed()
    }
}

#[cfg(test)]
mod tests;
