//! Who leads: one holder of a Lease, as Kubernetes' own components agree on it.
//!
//! <https://kubernetes.io/docs/concepts/architecture/leases/>. Whether a foreign lease has run out is judged by how long
//! ago *we* saw it change, not by the clock of its holder.

mod decide;

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::{sync::watch, time};

pub use decide::{Seen, Step, decide};

/// How long a lease holds without being renewed.
const DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew for this long stops leading, before others may take over.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(2);

/// A candidate for a Lease.
pub struct Campaign {
    api: Api<Lease>,
    name: String,
    me: String,
}

impl std::fmt::Debug for Campaign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Campaign").field("name", &self.name).field("me", &self.me).finish_non_exhaustive()
    }
}

impl Campaign {
    /// A candidate. `me` is unique to this process, such as its pod's name.
    pub fn new(client: Client, namespace: &str, name: &str, me: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), me: me.to_owned() }
    }

    /// Campaigns until `stop` is done; then gives the lease back, so that the next leader need not wait.
    ///
    /// `leads` says at each moment whether this process leads.
    pub async fn run(self, leads: watch::Sender<bool>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut seen = Seen::default();
        let mut renewed: Option<Instant> = None;
        loop {
            let asked = Instant::now();
            // A request that hangs must not hide that the lease ran out.
            match time::timeout(GIVE_UP / 2, self.look(&mut seen)).await {
                Err(_) => tracing::warn!(lease = self.name, "looking at the lease took too long"),
                Ok(Ok(true)) => renewed = Some(asked),
                Ok(Ok(false)) => renewed = None,
                Ok(Err(error)) => {
                    tracing::warn!(
                        lease = self.name,
                        error = &error as &dyn std::error::Error,
                        "cannot reach the lease"
                    );
                }
            }
            let now_leads = renewed.is_some_and(|at| at.elapsed() < GIVE_UP);
            if leads.send_if_modified(|leads| std::mem::replace(leads, now_leads) != now_leads) {
                tracing::info!(lease = self.name, me = self.me, leads = now_leads, "leadership");
            }
            tokio::select! {
                () = time::sleep(PERIOD) => {}
                () = &mut stop => break,
            }
        }
        if leads.send_replace(false) {
            self.give_back().await;
        }
    }

    /// Looks at the lease and does what is due. True: it is ours.
    async fn look(&self, seen: &mut Seen) -> Result<bool, kube::Error> {
        let current = self.api.get_opt(&self.name).await?;
        let spec = current.as_ref().and_then(|lease| lease.spec.as_ref());
        let step = decide(spec, seen, &self.me, Instant::now());
        let now = MicroTime(Timestamp::now());
        let held = match (step, current) {
            (Step::Wait, _) => return Ok(false),
            (Step::Take, None) => {
                let lease = Lease {
                    metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                    spec: Some(self.taken(&LeaseSpec::default(), now)),
                };
                self.api.create(&PostParams::default(), &lease).await
            }
            (Step::Take, Some(mut lease)) => {
                lease.spec = Some(self.taken(&lease.spec.unwrap_or_default(), now));
                self.api.replace(&self.name, &PostParams::default(), &lease).await
            }
            (Step::Renew, lease) => {
                let mut lease = lease.unwrap_or_default();
                lease.spec.get_or_insert_default().renew_time = Some(now);
                self.api.replace(&self.name, &PostParams::default(), &lease).await
            }
        };
        match held {
            Ok(_) => Ok(true),
            // Somebody was faster; look again.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn taken(&self, before: &LeaseSpec, now: MicroTime) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: Some(i32::try_from(DURATION.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(before.lease_transitions.map_or(0, |n| n.saturating_add(1))),
            ..before.clone()
        }
    }

    async fn give_back(&self) {
        let given = async {
            let Some(mut lease) = self.api.get_opt(&self.name).await? else { return Ok(()) };
            let spec = lease.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() == Some(&self.me) {
                spec.holder_identity = None;
                self.api.replace(&self.name, &PostParams::default(), &lease).await?;
            }
            Ok::<(), kube::Error>(())
        };
        if !matches!(time::timeout(PERIOD, given).await, Ok(Ok(()))) {
            tracing::info!(lease = self.name, "could not give the lease back; it runs out by itself");
        }
    }
}

#[cfg(test)]
mod tests;
