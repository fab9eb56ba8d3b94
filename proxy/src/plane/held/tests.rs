use super::*;

fn version(name: &str) -> Version {
    Version { version: name.into(), body: Bytes::from_static(b"body"), at: SystemTime::UNIX_EPOCH }
}

#[test]
fn a_refused_version_stands_beside_the_good_one_until_another_is_good() {
    let (held, name) = (Held::default(), Arc::from("l"));
    held.accept(Kind::Listener, &name, version("1"));
    held.reject(Kind::Listener, &name, Rejected { version: version("2"), details: "no".into() });
    let entry = held.all(Kind::Listener).pop().unwrap().1;
    assert_eq!(entry.good, Some(version("1")));
    assert_eq!(&*entry.rejected.unwrap().version.version, "2");
    held.accept(Kind::Listener, &name, version("3"));
    assert_eq!(held.all(Kind::Listener).pop().unwrap().1, Entry { good: Some(version("3")), rejected: None });
    held.remove(Kind::Listener, "l");
    assert!(held.all(Kind::Listener).is_empty() && held.all(Kind::Cluster).is_empty());
}
