use std::collections::{BTreeMap, BTreeSet};

use mesh_proto::{Any, type_url};

use super::*;

mod property;
mod sink;
mod table;

/// A world of types, names and contents.
#[derive(Clone, Default)]
struct World(BTreeMap<&'static str, BTreeMap<String, String>>);

impl World {
    fn with(mut self, type_url: &'static str, name: &str, content: &str) -> Self {
        self.0.entry(type_url).or_default().insert(name.to_owned(), content.to_owned());
        self
    }

    fn without(mut self, type_url: &'static str, name: &str) -> Self {
        self.0.entry(type_url).or_default().remove(name);
        self
    }
}

impl Supply for World {
    fn resources(&mut self, type_url: &str, wanted: &Wanted) -> Option<Vec<std::sync::Arc<Resource>>> {
        let all = self.0.get(type_url)?.iter().filter(|(name, _)| wanted.admits(name));
        let make = |(name, content): (&String, &String)| {
            let body = Any { type_url: type_url.to_owned(), value: content.clone().into_bytes() };
            Resource::new(name.as_str(), body).into()
        };
        Some(all.map(make).collect())
    }
}

fn set(names: &[&str]) -> BTreeSet<std::sync::Arc<str>> {
    names.iter().map(|n| (*n).into()).collect()
}

fn delta(type_url: &str, subscribe: &[&str], unsubscribe: &[&str]) -> Request {
    Request {
        type_url: type_url.to_owned(),
        nonce: None,
        error: None,
        names: Names::Change { subscribe: set(subscribe), unsubscribe: set(unsubscribe), initial: BTreeMap::new() },
    }
}

fn resumed(type_url: &str, subscribe: &[&str], held: &[(&str, &str)]) -> Request {
    let initial = held.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    let names = Names::Change { subscribe: set(subscribe), unsubscribe: BTreeSet::new(), initial };
    Request { names, ..delta(type_url, &[], &[]) }
}

fn whole(type_url: &str, names: &[&str], nonce: Option<&str>) -> Request {
    Request {
        type_url: type_url.to_owned(),
        nonce: nonce.map(ToOwned::to_owned),
        error: None,
        names: Names::All(set(names)),
    }
}

fn ack(push: &Push) -> Request {
    Request { nonce: Some(push.nonce.clone()), ..delta(&push.type_url, &[], &[]) }
}

fn nack(push: &Push) -> Request {
    Request { error: Some("no".to_owned()), ..ack(push) }
}

/// `c: +a +b -d` for each push, by the first letters of the types.
fn show(pushes: &[Push]) -> Vec<String> {
    let one = |push: &Push| {
        let kind = push.type_url.rsplit('.').next().unwrap_or_default();
        let added = push.resources.iter().map(|r| format!(" +{}", r.name));
        let removed = push.removed.iter().map(|n| format!(" -{n}"));
        format!("{kind}:{}", added.chain(removed).collect::<String>())
    };
    pushes.iter().map(one).collect()
}

const NOTHING: [&str; 0] = [];
