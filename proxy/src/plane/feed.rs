//! Follows the control plane: what it sends becomes a snapshot, and what cannot be taken is told back by name.
//!
//! One task owns the store. Clusters and listeners are asked for as a whole; they name the endpoints and route tables
//! that are asked for next. What belongs together comes within milliseconds and is published once. The first snapshot is
//! published when everything that was asked for has been answered, so that a proxy that is ready knows its mesh.
//!
//! Endpoints or routes that do not exist, or whose first version is refused, are as good as empty ones: the cluster
//! answers 503 and the listener 404, instead of a connection that goes past what the mesh says about it. A secret has
//! nothing that could stand in for it: whoever names it fails its handshakes.

mod count;

use std::{
    collections::BTreeSet,
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use mesh_proto::{
    Any,
    envoy::envoy::config::{endpoint::v3::ClusterLoadAssignment, route::v3::RouteConfiguration},
    pack, type_url,
};
use mesh_snapshot::{Kind, Origin, Store, Wanted};
use mesh_xds::{
    Resource,
    client::{Event, Events, Subscriber, Update},
    machine::Refused,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use self::count::Counts;
use super::{
    Shared,
    dns::Answer,
    files,
    held::{Held, Rejected, Version},
};

/// A burst is over when nothing came for so long ...
const QUIET: Duration = Duration::from_millis(10);

/// ... or when it has lasted so long.
const LONGEST: Duration = Duration::from_millis(100);

/// How often the log says what is still awaited before the first snapshot.
const REMINDER: Duration = Duration::from_secs(10);

/// How many awaited names the log shows.
const SHOWN: usize = 5;

/// The owner of the store.
#[derive(Debug)]
pub(crate) struct Feed {
    shared: Arc<Shared>,
    held: Held,
    subscriber: Subscriber,
    store: Store,
    counts: Counts,
    /// Types that are listed whole and have come.
    listed: BTreeSet<Kind>,
    /// What the clusters and listeners at hand speak of.
    wanted: Wanted,
    /// Endpoints and routes that the store holds something for.
    present: BTreeSet<(Kind, Arc<str>)>,
    /// Answers of DNS that are not published yet.
    answers: Vec<Answer>,
    /// The store differs from what is published.
    is_dirty: bool,
    /// Secrets that the control plane has no word on hold up the first snapshot no longer.
    is_tired: bool,
    /// Files that could not be read, so that each is told of once.
    unread: BTreeSet<Origin>,
    /// Clusters went since the last publication.
    lost_clusters: bool,
    is_published: bool,
}

impl Feed {
    /// One that has asked for nothing yet.
    pub(crate) fn new(shared: Arc<Shared>, held: Held, subscriber: Subscriber) -> Self {
        Self {
            counts: Counts::new(shared.stats.clone()),
            shared,
            held,
            subscriber,
            store: Store::default(),
            listed: BTreeSet::new(),
            wanted: Wanted::default(),
            present: BTreeSet::new(),
            answers: Vec::new(),
            is_dirty: false,
            is_tired: false,
            unread: BTreeSet::new(),
            lost_clusters: false,
            is_published: false,
        }
    }

    /// Follows the control plane and DNS until the client ends.
    pub(crate) async fn run(mut self, mut events: Events, mut answers: mpsc::Receiver<Answer>) {
        self.subscriber.everything(type_url::CLUSTER);
        self.subscriber.everything(type_url::LISTENER);
        let mut again = interval(files::AGAIN_AFTER);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.next() => {
                    let Some(event) = event else { return };
                    self.event(event);
                    self.gather(&mut events).await;
                }
                Some(answer) = answers.recv() => self.answer(answer),
                _ = again.tick(), if !self.wanted.files.is_empty() => self.read_files(),
                () = sleep(REMINDER), if !self.is_published => self.remind(),
            }
            while let Ok(answer) = answers.try_recv() {
                self.answer(answer);
            }
            self.publish();
        }
    }

    /// Takes in what comes together with what came.
    async fn gather(&mut self, events: &mut Events) {
        let end = Instant::now() + LONGEST;
        while let left = end.saturating_duration_since(Instant::now())
            && !left.is_zero()
            && let Ok(Some(event)) = timeout(QUIET.min(left), events.next()).await
        {
            self.event(event);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                tracing::info!("connected to the control plane");
                self.counts.connected(true);
            }
            Event::Lost { reason } => {
                tracing::warn!(reason, "no connection to the control plane; what is known stays in force");
                self.counts.connected(false);
            }
            Event::Update(update) => match Kind::of_type_url(&update.type_url) {
                Some(kind) => self.update(kind, update),
                None => update.refuse("this type was not asked for"),
            },
        }
    }

    fn update(&mut self, kind: Kind, mut update: Update) {
        let changed = mem::take(&mut update.changed);
        let removed = mem::take(&mut update.removed);
        let offered = changed.len();
        let refused: Vec<Refused> = changed.into_iter().filter_map(|resource| self.put(kind, resource)).collect();
        for name in &removed {
            self.remove(kind, &name.as_str().into());
        }
        self.counts.update(kind, offered, refused.len());
        if matches!(kind, Kind::Cluster | Kind::Listener) {
            self.listed.insert(kind);
            self.follow();
        }
        tracing::debug!(%kind, changed = offered, removed = removed.len(), refused = refused.len(), "an update came");
        update.done(if refused.is_empty() { Ok(()) } else { Err(refused) });
    }

    /// Takes a resource in; gives it back by name and reason if it is refused.
    fn put(&mut self, kind: Kind, resource: Resource) -> Option<Refused> {
        let Resource { name, version, body } = resource;
        let outcome = self.store.put(kind, &name, &body);
        let version = Version { version, body: Bytes::from(body.value), at: SystemTime::now() };
        match outcome {
            Ok(()) => {
                self.held.accept(kind, &name, version);
                self.present.insert((kind, name));
                self.is_dirty = true;
                None
            }
            Err(refused) => {
                let bad = refused.bad;
                tracing::warn!(%kind, name = &*name, field = bad.path(), reason = bad.why(), "refused");
                let reason = bad.to_string();
                self.held.reject(kind, &name, Rejected { version, details: reason.as_str().into() });
                self.stand_in(kind, &name);
                Some(Refused { name: name.to_string(), reason })
            }
        }
    }

    fn remove(&mut self, kind: Kind, name: &Arc<str>) {
        match kind {
            Kind::Cluster | Kind::Listener => {
                self.store.remove(kind, name);
                self.held.remove(kind, name);
                self.present.remove(&(kind, name.clone()));
                self.is_dirty = true;
                self.lost_clusters |= kind == Kind::Cluster;
            }
            // Whoever names them decides how long they are needed; see `sweep`.
            Kind::Endpoints | Kind::Route | Kind::Secret => self.stand_in(kind, name),
        }
    }

    /// Something empty for a name that is asked for, if there is nothing yet.
    fn stand_in(&mut self, kind: Kind, name: &Arc<str>) {
        if self.names(kind).is_some_and(|names| names.contains(name))
            && self.present.insert((kind, name.clone()))
            && empty(kind, name).is_some_and(|empty| self.store.put(kind, name, &empty).is_ok())
        {
            self.is_dirty = true;
        }
    }

    /// The names of a kind that are asked for, where single ones are.
    fn names(&self, kind: Kind) -> Option<&[Arc<str>]> {
        match kind {
            Kind::Endpoints => Some(&self.wanted.endpoints),
            Kind::Route => Some(&self.wanted.routes),
            Kind::Secret => Some(&self.wanted.secrets),
            Kind::Cluster | Kind::Listener => None,
        }
    }

    /// Asks for what the clusters and listeners at hand speak of.
    fn follow(&mut self) {
        let wanted = self.store.wanted();
        let all = |names: &[Arc<str>]| names.iter().cloned().collect();
        if wanted.endpoints != self.wanted.endpoints {
            self.subscriber.names(type_url::ENDPOINT, all(&wanted.endpoints));
        }
        if wanted.routes != self.wanted.routes {
            self.subscriber.names(type_url::ROUTE, all(&wanted.routes));
        }
        if wanted.secrets != self.wanted.secrets {
            self.subscriber.names(type_url::SECRET, all(&wanted.secrets));
        }
        if wanted.names != self.wanted.names {
            self.shared.names.replace(&wanted.names);
        }
        let other_files = wanted.files != self.wanted.files;
        self.wanted = wanted;
        if other_files {
            self.read_files();
        }
    }

    /// Small files of this machine, read while nothing waits for it: requests are carried by other threads.
    fn read_files(&mut self) {
        for file in &self.wanted.files {
            let bytes = files::read(file);
            match &bytes {
                Ok(_) => drop(self.unread.remove(file)),
                Err(error) if self.unread.insert(file.clone()) => {
                    tracing::warn!(%file, %error, "cannot be read; TLS that needs it fails");
                }
                Err(_) => {}
            }
            self.is_dirty |= self.store.read(file, bytes.ok());
        }
    }

    fn answer(&mut self, answer: Answer) {
        if answer.is_wanted() {
            self.is_dirty |= self.store.resolve(answer.name(), answer.addresses.clone());
            self.answers.push(answer);
        }
    }

    /// Endpoints, routes and secrets that were asked for and have not been answered.
    fn awaited(&self) -> impl Iterator<Item = (Kind, &Arc<str>)> {
        let secrets: &[Arc<str>] = if self.is_tired { &[] } else { &self.wanted.secrets };
        let named = [
            (Kind::Endpoints, &self.wanted.endpoints[..]),
            (Kind::Route, &self.wanted.routes),
            (Kind::Secret, secrets),
        ];
        let all = named.into_iter().flat_map(|(kind, names)| names.iter().map(move |name| (kind, name)));
        all.filter(|(kind, name)| !self.present.contains(&(*kind, (*name).clone())))
    }

    fn is_complete(&self) -> bool {
        self.listed.len() == 2 && self.awaited().next().is_none()
    }

    fn publish(&mut self) {
        let is_complete = self.is_complete();
        if !self.is_published && !is_complete {
            return;
        }
        if is_complete {
            self.sweep();
        }
        if self.is_dirty || !self.is_published {
            let snapshot = self.store.build(&self.shared.world.current());
            if !self.is_published {
                let (clusters, listeners) = (snapshot.clusters().count(), snapshot.listeners().count());
                tracing::info!(clusters, listeners, "the first configuration is complete");
            }
            self.shared.world.publish(snapshot);
            self.is_dirty = false;
            self.is_published = true;
            self.counts.published();
            self.forget_statistics();
        }
        let answers = mem::take(&mut self.answers);
        if !answers.is_empty() {
            self.shared.names.settle(&answers);
        }
    }

    fn forget_statistics(&mut self) {
        if mem::take(&mut self.lost_clusters) {
            let world = self.shared.world.current();
            self.shared.stats.retain_clusters(&|name| world.cluster(name).is_some());
        }
    }

    /// Drops endpoints, routes and addresses that nobody names any more. Only when nothing is awaited: until then, what is
    /// published stays and needs them.
    fn sweep(&mut self) {
        let is_wanted = |kind: Kind, name: &Arc<str>| match kind {
            Kind::Endpoints => self.wanted.endpoints.binary_search(name).is_ok(),
            Kind::Route => self.wanted.routes.binary_search(name).is_ok(),
            Kind::Secret => self.wanted.secrets.binary_search(name).is_ok(),
            Kind::Cluster | Kind::Listener => true,
        };
        let (kept, gone) = mem::take(&mut self.present).into_iter().partition(|(kind, name)| is_wanted(*kind, name));
        self.present = kept;
        let gone: BTreeSet<(Kind, Arc<str>)> = gone;
        for (kind, name) in gone {
            self.store.remove(kind, &name);
            self.held.remove(kind, &name);
        }
        self.store.keep_files(&self.wanted.files);
        self.unread.retain(|file| self.wanted.files.contains(file));
        let names = &self.wanted.names;
        self.store.keep_names(|name| names.binary_search_by(|(wanted, ..)| wanted.as_str().cmp(name)).is_ok());
    }

    /// Says what is awaited. Secrets are not, from then on: they concern their own chains only.
    fn remind(&mut self) {
        self.is_tired = true;
        let mut awaited: Vec<String> = [Kind::Cluster, Kind::Listener]
            .into_iter()
            .filter(|kind| !self.listed.contains(kind))
            .map(|kind| format!("every {kind}"))
            .collect();
        awaited.extend(self.awaited().map(|(kind, name)| format!("{kind} `{name}`")));
        let more = awaited.len().saturating_sub(SHOWN);
        awaited.truncate(SHOWN);
        tracing::warn!(awaited = awaited.join(", "), more, "the first configuration is not complete");
    }
}

/// The empty resource of a kind that is asked for by name.
fn empty(kind: Kind, name: &Arc<str>) -> Option<Any> {
    let name = name.to_string();
    match kind {
        Kind::Endpoints => {
            Some(pack(&ClusterLoadAssignment { cluster_name: name, ..ClusterLoadAssignment::default() }))
        }
        Kind::Route => Some(pack(&RouteConfiguration { name, ..RouteConfiguration::default() })),
        Kind::Cluster | Kind::Listener | Kind::Secret => None,
    }
}

#[cfg(test)]
mod tests;
