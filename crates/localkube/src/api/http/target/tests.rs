use super::*;

fn target(path: &str) -> Option<(String, String, Option<String>, String, String, String)> {
    Target::parse(path).map(|t| (t.group, t.version, t.namespace, t.plural, t.name, t.subresource))
}

fn is(path: &str, group: &str, namespace: Option<&str>, rest: [&str; 3]) {
    let [plural, name, subresource] = rest.map(str::to_owned);
    let wanted = (group.to_owned(), "v1".to_owned(), namespace.map(str::to_owned), plural, name, subresource);
    assert_eq!(target(path), Some(wanted), "{path}");
}

#[test]
fn the_path_grammar() {
    is("/api/v1/pods", "", None, ["pods", "", ""]);
    is("/api/v1/namespaces", "", None, ["namespaces", "", ""]);
    is("/api/v1/namespaces/x", "", None, ["namespaces", "x", ""]);
    is("/api/v1/namespaces/x/finalize", "", None, ["namespaces", "x", "finalize"]);
    is("/api/v1/namespaces/x/pods/p/log", "", Some("x"), ["pods", "p", "log"]);
    is("/apis/apps/v1/namespaces/x/deployments/", "apps", Some("x"), ["deployments", "", ""]);
    is("/apis/apps/v1/namespaces/x/deployments/a%2Bb/scale", "apps", Some("x"), ["deployments", "a+b", "scale"]);
    for other in ["/", "/version", "/api", "/api/v1", "/apis/apps/v1", "/openapi/v3", "/healthz/etcd"] {
        assert_eq!(target(other), None, "{other}");
    }
}

#[test]
fn the_query() {
    let query = Query::parse("labelSelector=a%3Db%2Cc+in+%28d%29&watch=1&limit=500&bad=x&%zz=%4");
    assert_eq!(query.get("labelSelector"), "a=b,c in (d)");
    assert!(query.flag("watch") && !query.flag("limit"));
    assert_eq!(query.int("limit"), Ok(Some(500)));
    assert_eq!(query.int("absent"), Ok(None));
    assert!(query.int("bad").is_err());
    assert_eq!(query.get("%zz"), "%4");
}
