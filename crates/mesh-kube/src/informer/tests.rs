use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::Event;

use super::*;

fn object(name: &str, version: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object.metadata.namespace = Some("default".to_owned());
    object.metadata.resource_version = Some(version.to_owned());
    object
}

/// Changes in short: `+a@1`, `-default/a`, `listed`, `absent`.
fn told(changes: Vec<Change<ConfigMap>>) -> Vec<String> {
    changes
        .into_iter()
        .map(|change| match change {
            Change::Applied(object) => {
                let meta = object.metadata;
                format!("+{}@{}", meta.name.unwrap_or_default(), meta.resource_version.unwrap_or_default())
            }
            Change::Deleted(key) => format!("-{key}"),
            Change::Listed => "listed".to_owned(),
            Change::Absent => "absent".to_owned(),
        })
        .collect()
}

fn hear(follower: &mut Follower, events: impl IntoIterator<Item = Event<ConfigMap>>) -> Vec<String> {
    told(events.into_iter().flat_map(|event| follower.hear(event)).collect())
}

#[test]
fn a_list_tells_all_and_then_that_it_did() {
    let mut follower = Follower::default();
    let events = [
        Event::Init,
        Event::InitApply(object("a", "1")),
        Event::InitApply(object("b", "2")),
        Event::InitDone,
        Event::Apply(object("a", "3")),
        Event::Delete(object("b", "4")),
    ];
    assert_eq!(hear(&mut follower, events), ["+a@1", "+b@2", "listed", "+a@3", "-default/b"]);
}

#[test]
fn a_second_list_tells_the_difference_only() {
    let mut follower = Follower::default();
    let first = ["a", "b", "c"].map(|name| Event::InitApply(object(name, "1")));
    hear(&mut follower, [Event::Init].into_iter().chain(first).chain([Event::InitDone]));
    let events = [
        Event::Init,
        Event::InitApply(object("a", "1")),
        Event::InitApply(object("c", "7")),
        Event::InitApply(object("d", "8")),
        Event::InitDone,
    ];
    assert_eq!(hear(&mut follower, events), ["+c@7", "+d@8", "-default/b", "listed"]);
}

#[test]
fn a_list_that_broke_off_deletes_nothing() {
    let mut follower = Follower::default();
    hear(&mut follower, [Event::Init, Event::InitApply(object("a", "1")), Event::InitDone]);
    let events = [Event::Init, Event::Init, Event::InitApply(object("a", "1")), Event::InitDone];
    assert_eq!(hear(&mut follower, events), ["listed"]);
}

#[test]
fn a_kind_that_goes_takes_its_objects() {
    let mut follower = Follower::default();
    hear(&mut follower, [Event::Init, Event::InitApply(object("a", "1")), Event::InitDone]);
    assert_eq!(told(follower.lose()), ["-default/a", "absent"]);
    let events = [Event::Init, Event::InitApply(object("a", "1")), Event::InitDone];
    assert_eq!(hear(&mut follower, events), ["+a@1", "listed"], "the same object comes back");
}

#[test]
fn a_deletion_of_something_never_told_is_silent() {
    assert!(hear(&mut Follower::default(), [Event::Delete(object("a", "1"))]).is_empty());
}
