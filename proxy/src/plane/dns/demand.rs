//! Names that callers choose: a bounded number of them, each known for as long as it is in use.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering::SeqCst},
};

use arc_swap::ArcSwap;
use mesh_snapshot::{ClusterConfig, Dynamic, NameTerms, Reason};
use rustc_hash::FxHashMap;
use tokio::time::timeout;

use super::{
    super::flags::Flags,
    Names,
    entry::{Entry, Told},
};

/// Entries by name; published whole, because readers are many and new names are few.
#[derive(Debug, Default)]
pub(super) struct Demanded(ArcSwap<FxHashMap<Box<str>, Arc<Entry>>>);

/// Why there is nowhere to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAddress {
    /// The caller names no host, or one outside of the cluster's domain.
    Foreign,
    /// As many names as may be are in use.
    TooMany,
    /// The name has no address, or it was not found in time.
    Unknown,
    /// All of its addresses lie where no name of the outside may lead.
    Inside,
}

impl NoAddress {
    /// What stands in the log.
    pub(crate) fn flags(self) -> Flags {
        match self {
            Self::TooMany => Flags::UPSTREAM_OVERFLOW,
            Self::Foreign | Self::Unknown | Self::Inside => Flags::DNS_FAILURE,
        }
    }

    /// Its code.
    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::TooMany => Reason::Overflow,
            Self::Foreign => Reason::ForeignHost,
            Self::Unknown => Reason::NoAddress,
            Self::Inside => Reason::PrivateAddress,
        }
    }

    /// As Envoy words it in `%RESPONSE_CODE_DETAILS%`, where it knows the case.
    pub(crate) fn details(self) -> &'static str {
        match self {
            Self::Foreign => "dynamic_host_not_allowed",
            Self::TooMany => "dns_cache_overflow",
            Self::Unknown => "dns_resolution_failure",
            Self::Inside => "dns_address_not_allowed",
        }
    }
}

/// Where a cluster goes that is told where to.
#[derive(Clone, Debug)]
pub(crate) enum Destinations {
    /// To the address that was dialled.
    Dialled(SocketAddr),
    /// To one of the addresses of the name that was asked for: never none; which is tried first.
    Named(Vec<SocketAddr>, usize),
}

impl Destinations {
    /// For the try of this number.
    pub(crate) fn of_try(&self, number: usize) -> SocketAddr {
        match self {
            Self::Dialled(address) => *address,
            Self::Named(all, first) => all[first.wrapping_add(number) % all.len()],
        }
    }
}

impl Demanded {
    /// The entry of a name; a new one takes the place of one that nobody uses, if there are too many. None: all are used.
    fn entry(&self, name: &str, terms: NameTerms, most: usize) -> Option<Arc<Entry>> {
        if let Some(known) = self.0.load().get(name).filter(|entry| entry.terms == terms) {
            return Some(known.clone());
        }
        let new = Arc::new(Entry::new(name, terms, Told::Callers));
        self.0.rcu(|all| {
            let mut all = FxHashMap::clone(all);
            if all.len() >= most {
                all.retain(|_, entry| entry.kept.load(SeqCst) || entry.used.load(SeqCst));
            }
            // Somebody else may have brought it meanwhile.
            let is_there = all.get(name).is_some_and(|entry| entry.terms == terms);
            if !is_there && all.len() < most {
                all.insert(name.into(), new.clone());
            }
            all
        });
        self.0.load().get(name).filter(|entry| entry.terms == terms).cloned()
    }
}

impl Names {
    /// Where a dynamic cluster goes for a caller who asks for this host (`Host`, or the server name of TLS): every
    /// permitted address of the name, at the cluster's port. Waits for an answer if there is none in force, at most for
    /// the cluster's connect timeout.
    ///
    /// # Errors
    /// The cluster may not go there, or nobody knows where that is.
    pub(crate) async fn look_up(
        &self,
        cluster: &ClusterConfig,
        dynamic: &Dynamic,
        asked: &str,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        let name = dynamic.name(asked).ok_or(NoAddress::Foreign)?;
        let terms = NameTerms { family: dynamic.family, refresh: dynamic.refresh, respects_ttl: true };
        let entry = self.0.demanded.entry(&name, terms, dynamic.most).ok_or(NoAddress::TooMany)?;
        let mut settled = self.0.settled.subscribe();
        self.touch(&entry);
        let found = async {
            while !entry.settled.load(SeqCst) {
                if settled.changed().await.is_err() {
                    break;
                }
            }
        };
        drop(timeout(cluster.connect_timeout, found).await);
        let known = entry.known.load();
        if known.is_empty() {
            return Err(NoAddress::Unknown);
        }
        let permitted = |ip: &&IpAddr| dynamic.permits(**ip);
        let addresses: Vec<SocketAddr> =
            known.iter().filter(permitted).map(|ip| SocketAddr::new(*ip, dynamic.port)).collect();
        if addresses.is_empty() { Err(NoAddress::Inside) } else { Ok(addresses) }
    }
}
