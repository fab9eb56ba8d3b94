use super::*;
use crate::format::Fact;

struct Address;

impl Facts for Address {
    fn write(&self, fact: &Fact, out: &mut String) -> bool {
        if *fact == Fact::DownstreamRemoteAddressWithoutPort {
            out.push_str("10.0.0.1");
            return true;
        }
        false
    }
}

fn add(key: &str, value: &str, action: i32) -> pb::HeaderValueOption {
    let header = pb::HeaderValue { key: key.into(), value: value.into(), ..Default::default() };
    pb::HeaderValueOption { header: Some(header), append_action: action, ..Default::default() }
}

fn changed(add: Vec<pb::HeaderValueOption>, remove: &[&str], before: &[(&str, &str)]) -> Vec<(String, String)> {
    let changes = HeaderChanges::parse("request", add, remove.iter().map(|s| (*s).to_owned()).collect()).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in before {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    changes.apply(&mut headers, &Address);
    headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn each_action_does_its_own() {
    assert_eq!(changed(vec![add("A", "2", 0)], &[], &[("a", "1")]), pairs(&[("a", "1"), ("a", "2")]));
    assert_eq!(changed(vec![add("a", "2", 1)], &[], &[("a", "1")]), pairs(&[("a", "1")]));
    assert_eq!(changed(vec![add("a", "2", 2)], &[], &[("a", "1")]), pairs(&[("a", "2")]));
    assert_eq!(changed(vec![add("a", "2", 3)], &[], &[]), pairs(&[]));
    assert_eq!(changed(vec![add("a", "2", 0)], &["a"], &[("a", "1")]), pairs(&[("a", "2")]));
}

#[test]
fn values_hold_facts_and_empty_ones_are_left_out() {
    let remote = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%";
    assert_eq!(changed(vec![add("x-from", remote, 0)], &[], &[]), pairs(&[("x-from", "10.0.0.1")]));
    assert_eq!(changed(vec![add("x-none", "%ROUTE_NAME%", 0)], &[], &[]), pairs(&[]));
}

#[test]
fn what_cannot_be_changed_is_refused() {
    for (name, value) in [(":path", "/"), ("host", "a"), ("a b", "c"), ("a", "%NONE%"), ("a", "\n")] {
        assert!(HeaderChanges::parse("request", vec![add(name, value, 0)], vec![]).is_err(), "{name}: {value}");
    }
    let bad = HeaderChanges::parse("response", vec![add("a", "b", 0), add("a", "%X%", 0)], vec![]).unwrap_err();
    assert_eq!(bad.path(), "response_headers_to_add[1].header.value");
}
