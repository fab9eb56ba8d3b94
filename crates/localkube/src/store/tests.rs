use serde_json::json;

use super::*;

fn pod(name: &str) -> Object {
    Object::new(json!({"metadata": {"name": name, "namespace": "default"}})).expect("an object")
}

fn pods() -> Resource {
    Resource::new("", "pods")
}

#[test]
fn a_write_on_an_old_revision_loses() {
    let store = Store::default();
    let first = store.put(&pods(), pod("a"), Precondition::Absent).expect("created");
    let second = store.put(&pods(), pod("a"), Precondition::Revision(first.object.revision())).expect("updated");
    assert!(store.put(&pods(), pod("a"), Precondition::Revision(first.object.revision())).is_err());
    assert!(store.put(&pods(), pod("a"), Precondition::Absent).is_err());
    assert!(store.remove(&pods(), "default", "a", first.object.revision()).is_err());
    assert!(store.remove(&pods(), "default", "a", second.object.revision()).is_ok());
    assert!(store.get(&pods(), "default", "a").is_none());
}

#[tokio::test]
async fn a_watch_sees_every_change_after_its_start() {
    let store = Store::default();
    let first = store.put(&pods(), pod("a"), Precondition::Absent).expect("created");
    let mut watch = store.watch(&pods(), first.object.revision()).expect("recent enough");
    store.put(&pods(), pod("b"), Precondition::Absent).expect("created");
    store.remove(&pods(), "default", "a", first.object.revision()).expect("removed");
    let added = watch.next().await.expect("an event");
    assert_eq!((added.change, added.object.object.name()), (Change::Added, "b"));
    let deleted = watch.next().await.expect("an event");
    assert_eq!((deleted.change, deleted.object.object.name()), (Change::Deleted, "a"));
    assert_eq!(watch.caught_up(), Some(store.revision()));
}

#[test]
fn a_watch_from_before_the_log_is_expired() {
    let store = Store::default();
    for n in 0..=LOG_LENGTH {
        store.put(&pods(), pod(&format!("p{n}")), Precondition::Absent).expect("created");
    }
    assert!(store.watch(&pods(), 0).is_err());
    assert!(store.watch(&pods(), 1).is_ok());
}

#[test]
fn a_list_in_the_past_undoes_what_came_after() {
    let store = Store::default();
    let a = store.put(&pods(), pod("a"), Precondition::Absent).expect("created");
    let b = store.put(&pods(), pod("b"), Precondition::Absent).expect("created");
    let then = store.revision();
    store.put(&pods(), pod("c"), Precondition::Absent).expect("created");
    store.put(&pods(), pod("b"), Precondition::Revision(b.object.revision())).expect("updated");
    store.remove(&pods(), "default", "a", a.object.revision()).expect("removed");
    let past = store.list_at(&pods(), None, then).expect("recent enough");
    let seen: Vec<_> = past.iter().map(|s| (s.object.name(), s.object.revision())).collect();
    assert_eq!(seen, [("a", 1), ("b", 2)]);
    assert_eq!(store.list_at(&pods(), Some("other"), then).expect("recent enough").len(), 0);
}

fn owned_pod(name: &str, owner: &str) -> Object {
    let owners = json!([{"uid": owner}]);
    Object::new(json!({"metadata": {"name": name, "namespace": "default", "ownerReferences": owners}}))
        .expect("an object")
}

#[test]
fn the_owner_index_follows_every_write() {
    let store = Store::default();
    let names = |uid: &str| -> Vec<String> {
        store.owned(&pods(), uid).iter().map(|stored| stored.object.name().to_owned()).collect()
    };
    let a = store.put(&pods(), owned_pod("a", "x"), Precondition::Absent).expect("created");
    let b = store.put(&pods(), owned_pod("b", "x"), Precondition::Absent).expect("created");
    assert_eq!(names("x"), ["a", "b"]);
    store.put(&pods(), pod("a"), Precondition::Revision(a.object.revision())).expect("released");
    assert_eq!((names("x"), names("")), (vec!["b".to_owned()], vec!["a".to_owned()]));
    assert_eq!(store.dependents("x").len(), 1);
    store.remove(&pods(), "default", "b", b.object.revision()).expect("removed");
    assert!(names("x").is_empty());
}

#[tokio::test]
async fn following_tells_the_present_then_changes_in_order() {
    let store = Store::default();
    let first = store.put(&pods(), pod("a"), Precondition::Absent).expect("created");
    let mut follow = store.follow(Vec::new());
    assert_eq!(follow.next().await.len(), 1);
    store.put(&Resource::new("", "nodes"), pod("n"), Precondition::Absent).expect("created");
    store.remove(&pods(), "default", "a", first.object.revision()).expect("removed");
    let told: Vec<_> = follow.next().await.into_iter().map(|(r, e)| (r.plural.to_string(), e.change)).collect();
    assert_eq!(told, [("nodes".to_owned(), Change::Added), ("pods".to_owned(), Change::Deleted)]);
}

#[tokio::test]
async fn a_follower_that_fell_behind_is_told_the_present() {
    let store = Store::default();
    let mut follow = store.follow(vec![pods()]);
    store.put(&pods(), pod("a"), Precondition::Absent).expect("created");
    assert_eq!(follow.next().await.len(), 1);
    for n in 0..=LOG_LENGTH {
        store.put(&pods(), pod(&format!("p{n}")), Precondition::Absent).expect("created");
    }
    assert_eq!(follow.next().await.len(), LOG_LENGTH + 2);
}
