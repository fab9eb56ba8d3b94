use super::*;

#[test]
fn an_id_is_read_and_written_alike() {
    let text = "sidecar~10.0.0.7~reviews-v1.5.bookinfo~bookinfo.svc.cluster.local";
    let id: NodeId = text.parse().unwrap();
    assert_eq!((id.name.as_str(), id.namespace.as_str()), ("reviews-v1.5", "bookinfo"));
    assert_eq!(id.to_string(), text);
}

#[test]
fn a_bad_id_says_what_is_wrong() {
    for (text, why) in [
        ("sidecar~10.0.0.7~a.b", "four parts"),
        ("ztunnel~10.0.0.7~a.b~c", "the first part"),
        ("router~x~a.b~c", "an address"),
        ("router~::1~a~c", "POD.NAMESPACE"),
    ] {
        let error = text.parse::<NodeId>().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
