use serde_json::{Value, json};

use super::*;
use crate::{
    parse::{ParseContext, parse},
    push_context::PushContext,
};

/// An entry of plain TCP, and what its status says of the host.
fn entry(name: &str, second: u32, more: &Value, said: &[&str]) -> Config {
    let mut spec = json!({
        "hosts": [format!("{name}.example.org")], "resolution": "DNS",
        "ports": [{ "number": 5432, "name": "tcp", "protocol": "TCP" }],
    });
    for (key, value) in more["spec"].as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    let addresses: Vec<Value> =
        said.iter().map(|ip| json!({ "value": ip, "host": format!("{name}.example.org") })).collect();
    let object = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
        "metadata": {
            "name": name, "namespace": "shop", "labels": more["labels"],
            "creationTimestamp": format!("2025-01-01T00:00:{second:02}Z"),
        },
        "spec": spec, "status": { "addresses": addresses },
    });
    parse(&object, &ParseContext::default()).expect("a good entry").config
}

fn store(entries: &[Config]) -> Store {
    Store::of(entries.iter().cloned().map(Change::config))
}

/// What the hosts of the entries have, as `HOST IP IP`.
fn given(entries: &[Config]) -> Vec<String> {
    let push = PushContext::build(&store(entries));
    let line = |s: &std::sync::Arc<crate::registry::Service>| {
        let ips: Vec<String> = s.allocated.iter().map(ToString::to_string).collect();
        format!("{} {}", s.host, ips.join(" ")).trim_end().to_owned()
    };
    push.services().iter().map(line).collect()
}

#[test]
fn a_host_gets_one_address_of_each_family_and_always_the_same() {
    let one = given(&[entry("db", 1, &Value::Null, &[])]);
    assert_eq!(one, ["db.example.org 240.240.40.125 2001:2::f0f0:287d"]);
    let three =
        given(&[entry("a", 0, &Value::Null, &[]), entry("db", 1, &Value::Null, &[]), entry("z", 2, &Value::Null, &[])]);
    assert!(three.contains(&one[0]), "others change nothing: {three:?}");
}

#[test]
fn who_gets_none() {
    let cases = [
        json!({ "spec": { "addresses": ["10.0.0.1"] } }),
        json!({ "spec": { "resolution": "NONE" } }),
        json!({ "spec": { "hosts": ["*.example.org"], "resolution": "STATIC", "endpoints": [{ "address": "1.1.1.1" }] } }),
        json!({ "labels": { LABEL: "false" } }),
        json!({ "labels": { LABEL: "False" } }),
    ];
    for case in cases {
        let given = given(&[entry("db", 1, &case, &[])]);
        assert!(!given[0].contains(' '), "{case}: {given:?}");
    }
    let asked = json!({ "labels": { LABEL: "true" } });
    assert!(given(&[entry("db", 1, &asked, &[])])[0].contains("240.240."));
}

#[test]
fn what_was_given_once_stays() {
    let kept = given(&[entry("db", 1, &Value::Null, &["240.240.7.7", "2001:2::f0f0:707"])]);
    assert_eq!(kept, ["db.example.org 240.240.7.7 2001:2::f0f0:707"]);
    // An older entry whose place it would be by its name goes elsewhere.
    let both = given(&[
        entry("db", 1, &Value::Null, &[]),
        entry("new", 2, &Value::Null, &["240.240.40.125", "2001:2::f0f0:287d"]),
    ]);
    assert_eq!(both[1], "new.example.org 240.240.40.125 2001:2::f0f0:287d");
    assert_eq!(both[0].matches("240.240.").count(), 1);
    assert!(!both[0].contains("240.240.40.125"), "{both:?}");
    // Half of it is completed.
    let half = given(&[entry("db", 1, &Value::Null, &["240.240.7.7"])]);
    assert_eq!(half, ["db.example.org 240.240.7.7 2001:2::f0f0:287d"]);
}

#[test]
fn of_two_with_one_address_the_older_keeps_it() {
    let said = ["240.240.7.7", "2001:2::f0f0:707"];
    let both = given(&[entry("new", 2, &Value::Null, &said), entry("old", 1, &Value::Null, &said)]);
    assert_eq!(both[0], "old.example.org 240.240.7.7 2001:2::f0f0:707");
    assert!(!both[1].contains("240.240.7.7"), "{both:?}");
}

#[test]
fn what_is_not_ours_is_not_kept_and_what_users_took_is_not_given() {
    let foreign = given(&[entry("db", 1, &Value::Null, &["10.0.0.1", "::1"])]);
    assert_eq!(foreign, ["db.example.org 240.240.40.125 2001:2::f0f0:287d"]);
    let user = entry("user", 9, &json!({ "spec": { "addresses": ["240.240.40.125"] } }), &[]);
    let both = given(&[entry("db", 1, &Value::Null, &[]), user]);
    assert!(!both[0].contains("240.240.40.125"), "{both:?}");
}

#[test]
fn every_place_is_found_and_no_more() {
    let Config::ServiceEntry(object) = entry("db", 1, &Value::Null, &[]) else { panic!("an entry") };
    for host in ["a", "b.example.org", "c.d.e"] {
        let seen: BTreeSet<u32> = places(&object.meta, &Hostname::parse(host).unwrap()).collect();
        assert_eq!((seen.len(), seen.last()), (PLACES as usize, Some(&(PLACES - 1))));
    }
    assert_eq!(v4_at(0).to_string(), "240.240.0.1");
    assert_eq!(v4_at(PLACES - 1).to_string(), "240.240.255.254");
}

#[test]
fn a_step_without_entries_changes_nothing() {
    assert!(step(&Store::default()).is_empty());
    // Nor does one for entries that have theirs.
    let said = ["240.240.7.7", "2001:2::f0f0:707"];
    assert!(step(&store(&[entry("db", 1, &Value::Null, &said)])).is_empty());
}
