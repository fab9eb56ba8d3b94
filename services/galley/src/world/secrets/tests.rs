use k8s_openapi::ByteString;

use super::*;

fn key(namespace: &str, name: &str) -> Key {
    Key { namespace: namespace.to_owned(), name: name.to_owned() }
}

fn secret(place: &Key, keys: &[&str]) -> Secret {
    let data = keys.iter().map(|key| ((*key).to_owned(), ByteString(b"x".to_vec())));
    let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
    secret.metadata.name = Some(place.name.clone());
    secret.metadata.namespace = Some(place.namespace.clone());
    secret
}

fn labels(app: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("app".to_owned(), app.to_owned())])
}

fn gateway(namespace: Option<&str>, names: &[&str]) -> Credentials {
    let readers = Readers::Pods { namespace: namespace.map(Into::into), selector: Labels(labels("gateway")) };
    Credentials { readers, names: names.iter().map(|&name| name.to_owned()).collect() }
}

fn rule(names: &[&str]) -> Credentials {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    Credentials { readers: Readers::Callers("shop".into()), names }
}

/// Pods of gateways in two namespaces, and others.
fn changed(secrets: &mut Secrets) -> Vec<(String, bool)> {
    let (gateway, other) = (labels("gateway"), labels("other"));
    let pods = [("edge", &gateway), ("second", &gateway), ("shop", &other)];
    let mut changed: Vec<_> =
        secrets.take_changed(pods.into_iter()).into_iter().map(|(key, s)| (key.to_string(), s.is_some())).collect();
    changed.retain(|(name, is_sent)| *is_sent || !name.ends_with(ROOTS));
    changed
}

fn sent(name: &str) -> (String, bool) {
    (name.to_owned(), true)
}

fn gone(name: &str) -> (String, bool) {
    (name.to_owned(), false)
}

#[test]
fn only_what_is_named_goes_and_only_where_gateways_are() {
    let mut secrets = Secrets::default();
    for namespace in ["edge", "second", "shop"] {
        secrets.apply(secret(&key(namespace, "tls"), &["tls.crt", "tls.key"]));
        secrets.apply(secret(&key(namespace, "other"), &["tls.crt", "tls.key"]));
    }
    assert!(changed(&mut secrets).iter().all(|(_, is_sent)| !is_sent));
    secrets.name(Kind::Gateway, &key("shop", "gw"), Some(gateway(None, &["tls"])));
    assert_eq!(changed(&mut secrets), [sent("edge/tls"), sent("second/tls")]);
    secrets.name(Kind::Gateway, &key("edge", "gw"), Some(gateway(Some("edge"), &["other"])));
    assert_eq!(changed(&mut secrets), [sent("edge/other")]);
    secrets.name(Kind::Gateway, &key("shop", "gw"), None);
    assert_eq!(changed(&mut secrets), [gone("edge/tls"), gone("second/tls")]);
    assert_eq!(changed(&mut secrets), []);
}

#[test]
fn rules_name_secrets_for_their_namespace_and_for_gateways() {
    let mut secrets = Secrets::default();
    for namespace in ["edge", "shop", "far"] {
        secrets.apply(secret(&key(namespace, "client-cacert"), &["cacert"]));
    }
    secrets.name(Kind::Gateway, &key("edge", "gw"), Some(gateway(Some("edge"), &[])));
    secrets.name(Kind::DestinationRule, &key("shop", "r"), Some(rule(&["client"])));
    let all = changed(&mut secrets);
    assert_eq!(
        all.into_iter().filter(|(_, is_sent)| *is_sent).collect::<Vec<_>>(),
        [sent("edge/client-cacert"), sent("shop/client-cacert")]
    );
}

#[test]
fn a_reference_with_a_namespace_is_that_secret_alone() {
    let mut secrets = Secrets::default();
    secrets.apply(secret(&key("certs", "tls"), &["tls.crt", "tls.key"]));
    secrets.apply(secret(&key("edge", "tls"), &["tls.crt", "tls.key"]));
    changed(&mut secrets);
    secrets.name(Kind::Gateway, &key("edge", "gw"), Some(gateway(None, &["kubernetes-gateway://certs/tls"])));
    assert_eq!(changed(&mut secrets), [sent("certs/tls")]);
}

#[test]
fn what_no_proxy_could_use_is_not_kept_and_changes_are_told() {
    let mut secrets = Secrets::default();
    let place = key("edge", "tls");
    secrets.name(Kind::Gateway, &key("edge", "gw"), Some(gateway(None, &["tls"])));
    changed(&mut secrets);
    secrets.apply(secret(&place, &["password"]));
    assert_eq!(changed(&mut secrets), []);
    secrets.apply(secret(&place, &["tls.crt", "tls.key", "password"]));
    let record = secrets.take_changed([("edge", &labels("gateway"))].into_iter()).remove(0).1.unwrap();
    assert_eq!(record.data.keys().collect::<Vec<_>>(), ["tls.crt", "tls.key"]);
    assert!(!format!("{record:?}").contains('x'), "{record:?}");
    secrets.delete(&place);
    assert_eq!(changed(&mut secrets), [gone("edge/tls")]);
}
