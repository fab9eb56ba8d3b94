//! Names to addresses.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use hickory_proto::{
    op::{Edns, Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use mesh_snapshot::DnsFamily;

use super::{
    conf::{ResolvConf, in_hosts},
    servers::Servers,
};

/// What an answer over UDP may have.
const UDP_OURS: u16 = 1232;

/// The addresses of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// In the answer's order.
    pub(crate) addresses: Vec<IpAddr>,
    /// How long they hold; none: nobody said.
    pub(crate) ttl: Option<Duration>,
}

/// Looks names up as a program of this machine would.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    hosts: PathBuf,
    conf: Conf,
}

#[derive(Clone, Debug)]
enum Conf {
    File(PathBuf),
    #[cfg(test)]
    Fixed(ResolvConf),
}

impl Resolver {
    /// By the machine's own files.
    pub(crate) fn of_machine() -> Self {
        Self { hosts: "/etc/hosts".into(), conf: Conf::File("/etc/resolv.conf".into()) }
    }

    /// By these servers alone.
    #[cfg(test)]
    pub(crate) fn by(servers: Vec<std::net::SocketAddr>) -> Self {
        Self {
            hosts: PathBuf::new(),
            conf: Conf::Fixed(ResolvConf { servers, search: vec!["ns.svc.cluster.local".to_owned()] }),
        }
    }

    /// The addresses of a name; none: there is no such name, or it has none of the family.
    ///
    /// # Errors
    /// Nobody could be asked, or who was asked could not say.
    pub(crate) async fn look_up(&self, name: &str, family: DnsFamily) -> io::Result<Found> {
        let written = in_hosts(&read(&self.hosts).await, name);
        if !written.is_empty() {
            return Ok(Found { addresses: written, ttl: None });
        }
        let conf = match &self.conf {
            Conf::File(path) => ResolvConf::parse(&read(path).await),
            #[cfg(test)]
            Conf::Fixed(conf) => conf.clone(),
        };
        let servers = Servers::new(conf.servers.clone());
        for candidate in conf.candidates(name) {
            let found = ask(&servers, &candidate, family).await?;
            if !found.addresses.is_empty() {
                return Ok(found);
            }
        }
        Ok(Found::default())
    }
}

/// A file that is not there says nothing.
async fn read(path: &Path) -> String {
    tokio::fs::read_to_string(path).await.unwrap_or_default()
}

async fn ask(servers: &Servers, name: &str, family: DnsFamily) -> io::Result<Found> {
    let one = |kind| ask_for(servers, name, kind);
    match family {
        DnsFamily::V4 => one(RecordType::A).await,
        DnsFamily::V6 => one(RecordType::AAAA).await,
        DnsFamily::All | DnsFamily::V4Preferred | DnsFamily::V6Preferred => {
            let (v4, v6) = tokio::join!(one(RecordType::A), one(RecordType::AAAA));
            match (v4, v6) {
                (Ok(v4), Ok(v6)) => Ok(Found {
                    ttl: v4.ttl.into_iter().chain(v6.ttl).min(),
                    addresses: [v4.addresses, v6.addresses].concat(),
                }),
                // One family's answer is better than none.
                (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.addresses.is_empty() => Ok(found),
                (Err(error), _) | (_, Err(error)) => Err(error),
            }
        }
    }
}

async fn ask_for(servers: &Servers, name: &str, kind: RecordType) -> io::Result<Found> {
    let mut query = Message::query();
    query.metadata.id = rand::random();
    query.metadata.recursion_desired = true;
    let mut complete = Name::from_ascii(name).map_err(io::Error::other)?;
    complete.set_fqdn(true);
    query.add_query(Query::query(complete, kind));
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_OURS);
    query.set_edns(edns);
    let answer = servers.ask(&query.to_vec().map_err(io::Error::other)?).await?;
    let answer = Message::from_vec(&answer).map_err(io::Error::other)?;
    if answer.queries != query.queries {
        return Err(io::Error::other("the server answers another question"));
    }
    match answer.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Ok(Found::default()),
        code => return Err(io::Error::other(format!("the server says {code}"))),
    }
    let address = |data: &RData| match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(a) => Some(IpAddr::V6(a.0)),
        _ => None,
    };
    let addresses: Vec<IpAddr> = answer.answers.iter().filter_map(|record| address(&record.data)).collect();
    // Of a chain of names the shortest-lived link counts.
    let ttl = answer.answers.iter().map(|record| Duration::from_secs(record.ttl.into())).min();
    Ok(Found { addresses, ttl })
}

#[cfg(test)]
mod tests;
