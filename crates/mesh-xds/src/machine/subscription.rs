//! One type on one stream: what is wanted, what was sent, what is still to be answered.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    order::is_by_name_only,
    request::{Names, Request},
    resource::{Resource, Wanted},
};

/// What a request turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It asked, and answered nothing.
    Asked,
    /// It accepted the last response.
    Accepted,
    /// It refused a response, with this reason.
    Refused(String),
    /// It accepted a response that is not the last one.
    Stale,
}

/// How one type of a stream stands; for status pages and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Nonce of the last response.
    pub sent: Option<String>,
    /// Nonce of the last response that was accepted.
    pub accepted: Option<String>,
    /// The last response that was refused, until one is accepted again.
    pub rejection: Option<Rejection>,
    /// How many resources the client was given and not told to drop.
    pub resources: usize,
}

/// A refused response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Of the response.
    pub nonce: String,
    /// In the client's words.
    pub reason: String,
}

/// What the last response said of a name: a version, or that there is none.
type Told = Option<Arc<str>>;

#[derive(Debug, Default)]
pub(super) struct Subscription {
    wanted: Wanted,
    /// By name, as last *sent*, whether it was accepted or not: a refused resource is not sent again until it changes,
    /// and going back to the earlier content is a change.
    told: BTreeMap<Arc<str>, Told>,
    /// To be sent although unchanged.
    forced: BTreeSet<Arc<str>>,
    /// A response is owed, even an empty one.
    owed: bool,
    /// Something may have changed since resources were last looked at.
    dirty: bool,
    outstanding: Option<String>,
    /// The answer has been waited for long enough to be asked about twice.
    is_overdue: bool,
    started: bool,
    pub(super) record: Record,
}

/// What differs from what the client was told.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub(super) changed: Vec<Arc<Resource>>,
    pub(super) removed: Vec<Arc<str>>,
}

impl Subscription {
    /// Takes a request in.
    pub(super) fn hear(&mut self, request: Request) -> Heard {
        let is_first = !std::mem::replace(&mut self.started, true);
        let is_stale = !is_first && request.nonce.is_some() && request.nonce != self.record.sent;
        let heard = self.settle(request.nonce.as_deref(), request.error, is_first);
        match request.names {
            Names::Change { subscribe, unsubscribe, initial } => {
                if is_first {
                    self.remember(&request.type_url, &subscribe, initial);
                }
                self.change(subscribe, &unsubscribe, is_first);
            }
            // A list that was written before the last response was read says nothing new that its answer will not say.
            Names::All(_) if is_stale => {}
            Names::All(names) => self.replace(&request.type_url, names, is_first),
        }
        heard
    }

    /// The nonce of an earlier stream, on a first request, answers nothing of ours.
    fn settle(&mut self, nonce: Option<&str>, error: Option<String>, is_first: bool) -> Heard {
        let Some(nonce) = nonce.filter(|_| !is_first) else { return Heard::Asked };
        let is_last = self.record.sent.as_deref() == Some(nonce);
        if is_last {
            self.outstanding = None;
            self.is_overdue = false;
        }
        if let Some(reason) = error {
            self.record.rejection = Some(Rejection { nonce: nonce.to_owned(), reason: reason.clone() });
            return Heard::Refused(reason);
        }
        if !is_last {
            return Heard::Stale;
        }
        // A nonce that comes twice carries a change of names; after a refusal it accepts nothing.
        if self.record.rejection.as_ref().is_some_and(|r| r.nonce == nonce) {
            return Heard::Asked;
        }
        self.record.accepted = Some(nonce.to_owned());
        self.record.rejection = None;
        Heard::Accepted
    }

    fn remember(&mut self, type_url: &str, subscribe: &BTreeSet<Arc<str>>, initial: BTreeMap<Arc<str>, Arc<str>>) {
        self.wanted.all = subscribe.is_empty() && !is_by_name_only(type_url);
        self.told = initial.into_iter().map(|(name, version)| (name, Some(version))).collect();
    }

    fn change(&mut self, subscribe: BTreeSet<Arc<str>>, unsubscribe: &BTreeSet<Arc<str>>, is_first: bool) {
        for name in subscribe {
            if &*name == "*" {
                self.owed |= !self.wanted.all;
                self.wanted.all = true;
                continue;
            }
            // Asking again for what one has is a wish to get it again, except that a new stream asks for everything.
            if !is_first || !matches!(self.told.get(&name), Some(Some(_))) {
                self.forced.insert(name.clone());
            }
            self.wanted.names.insert(name);
        }
        for name in unsubscribe {
            if &**name == "*" {
                self.wanted.all = false;
                continue;
            }
            self.wanted.names.remove(name);
            self.forced.remove(name);
            if self.wanted.all {
                self.forced.insert(name.clone());
            }
        }
        let wanted = &self.wanted;
        self.told.retain(|name, _| wanted.admits(name));
        self.owed |= is_first && self.wanted.all;
        self.dirty |= is_first || !self.forced.is_empty() || self.owed;
    }

    fn replace(&mut self, type_url: &str, names: BTreeSet<Arc<str>>, is_first: bool) {
        let all = names.contains("*") || names.is_empty() && !is_by_name_only(type_url);
        let grew = (all && !self.wanted.all) || !names.is_subset(&self.wanted.names);
        self.wanted = Wanted { all, names };
        let wanted = &self.wanted;
        self.told.retain(|name, _| wanted.admits(name));
        self.owed |= is_first && (self.wanted.all || !self.wanted.names.is_empty()) || grew;
        self.dirty |= self.owed;
    }

    /// The world may have changed.
    pub(super) fn touch(&mut self) {
        self.dirty = true;
    }

    /// These must go out again, as far as they are wanted.
    pub(super) fn force<'n>(&mut self, names: impl Iterator<Item = &'n Arc<str>>) {
        let wanted = &self.wanted;
        self.forced.extend(names.filter(|n| wanted.admits(n)).cloned());
        self.dirty |= !self.forced.is_empty();
    }

    /// What to look at, if anything is to be looked at now.
    pub(super) fn due(&self) -> Option<&Wanted> {
        let wants = self.wanted.all || !self.wanted.names.is_empty() || !self.told.is_empty();
        (self.dirty && self.outstanding.is_none() && (wants || self.owed)).then_some(&self.wanted)
    }

    /// Compares with what was told, and takes the difference as told.
    pub(super) fn difference(&mut self, current: Vec<Arc<Resource>>) -> Option<Difference> {
        let mut found = Difference::default();
        let mut present = BTreeSet::new();
        for resource in current.into_iter().filter(|r| self.wanted.admits(&r.name)) {
            let told = self.told.get(&resource.name);
            let is_new = told.is_none_or(|v| v.as_ref() != Some(&resource.version));
            present.insert(resource.name.clone());
            if is_new || self.forced.contains(&resource.name) {
                found.changed.push(resource);
            }
        }
        let gone = self.told.iter().filter(|(name, v)| v.is_some() && !present.contains(*name)).map(|(name, _)| name);
        let absent =
            self.wanted.names.iter().filter(|name| {
                !present.contains(*name) && (!self.told.contains_key(*name) || self.forced.contains(*name))
            });
        let removed: BTreeSet<Arc<str>> = gone.chain(absent).cloned().collect();
        found.removed = removed.into_iter().collect();
        self.dirty = false;
        self.forced.clear();
        let is_owed = std::mem::take(&mut self.owed);
        if found.changed.is_empty() && found.removed.is_empty() && !is_owed {
            return None;
        }
        for resource in &found.changed {
            self.told.insert(resource.name.clone(), Some(resource.version.clone()));
        }
        for name in &found.removed {
            if self.wanted.names.contains(name) {
                self.told.insert(name.clone(), None);
            } else {
                self.told.remove(name);
            }
        }
        self.record.resources = self.told.values().flatten().count();
        Some(found)
    }

    /// A response went out.
    pub(super) fn sent(&mut self, nonce: &str) {
        self.outstanding = Some(nonce.to_owned());
        self.is_overdue = false;
        self.record.sent = Some(nonce.to_owned());
    }

    /// Waits no longer for an answer that was waited for at the last call already.
    pub(super) fn lose_patience(&mut self) {
        if self.is_overdue {
            self.outstanding = None;
        }
        self.is_overdue = self.outstanding.is_some();
    }

    /// The type is not served: nothing is owed until it is asked for again.
    pub(super) fn rest(&mut self) {
        self.dirty = false;
        self.owed = false;
        self.forced.clear();
    }

    /// Names and versions that the client was told of.
    pub(super) fn holdings(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.told.iter().filter_map(|(name, told)| Some((name, told.as_ref()?)))
    }
}
