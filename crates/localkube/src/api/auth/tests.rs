use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

use super::{Authenticator, ISSUER};
use crate::{
    api::{
        Caller,
        pki::{Authority, TokenKey},
    },
    object::Object,
    store::{Precondition, Resource, Store},
};

fn cluster() -> (Store, Authenticator) {
    let store = Store::default();
    put(&store, "serviceaccounts", json!({"metadata": {"name": "web", "namespace": "prod", "uid": "sa-1"}}));
    put(&store, "nodes", json!({"metadata": {"name": "node-1", "uid": "n-1"}}));
    put(
        &store,
        "pods",
        json!({
            "metadata": {"name": "web-0", "namespace": "prod", "uid": "p-1"},
            "spec": {"serviceAccountName": "web", "nodeName": "node-1"},
        }),
    );
    let authenticator = Authenticator::new(store.clone(), Arc::new(TokenKey::generate().unwrap()));
    (store, authenticator)
}

fn put(store: &Store, plural: &str, value: Value) {
    store.put(&Resource::new("", plural), Object::new(value).unwrap(), Precondition::Absent).unwrap();
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
}

fn claims(token: &str) -> Value {
    let body = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn request(authenticator: &Authenticator, spec: Value) -> Value {
    authenticator.token_request("prod", "web", json!({"spec": spec})).unwrap()
}

fn review(authenticator: &Authenticator, spec: Value) -> Value {
    let caller = Caller::component("system:admin");
    let path = ("authentication.k8s.io", "v1", "tokenreviews");
    let answer = authenticator.review(&caller, path, "", json!({"spec": spec})).unwrap().unwrap();
    answer["status"].clone()
}

#[test]
fn who_may_do_everything_may_speak_for_others() {
    let (_, authenticator) = cluster();
    let minted = request(&authenticator, json!({}));
    let spoken_for = |named: &[(&'static str, &'static str)]| {
        let mut headers = bearer(minted["status"]["token"].as_str().unwrap());
        for (name, value) in named {
            headers.append(*name, HeaderValue::from_static(value));
        }
        authenticator.authenticate(None, &headers).unwrap()
    };
    assert_eq!(spoken_for(&[]).username, "system:serviceaccount:prod:web");
    let jane = spoken_for(&[
        ("impersonate-user", "jane"),
        ("impersonate-group", "devs"),
        ("impersonate-uid", "7"),
        ("impersonate-extra-a%2fb", "c"),
    ]);
    assert_eq!((jane.username.as_str(), jane.uid.as_str()), ("jane", "7"));
    assert_eq!(jane.groups, ["devs", "system:authenticated"]);
    assert_eq!(jane.extra, [("a/b".to_owned(), vec!["c".to_owned()])]);
    let account = spoken_for(&[("impersonate-user", "system:serviceaccount:prod:web")]);
    let groups = ["system:serviceaccounts", "system:serviceaccounts:prod", "system:authenticated"];
    assert_eq!(account.groups, groups);
    let nobody = HeaderMap::from_iter([(http::HeaderName::from_static("impersonate-user"), "jane".parse().unwrap())]);
    assert_eq!(authenticator.authenticate(None, &nobody).unwrap_err().code, 401);
}

#[test]
fn client_certificate_names_user_and_groups() {
    let (_, authenticator) = cluster();
    let authority = Authority::generate("kubernetes").unwrap();
    let identity = authority.client("kubernetes-admin", &["system:masters"]).unwrap();
    let der = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let caller = authenticator.authenticate(Some(&der), &HeaderMap::new()).unwrap();
    assert_eq!(caller.username, "kubernetes-admin");
    assert_eq!(caller.groups, ["system:masters", "system:authenticated"]);
}

#[test]
fn neither_certificate_nor_token_is_401() {
    let (_, authenticator) = cluster();
    assert_eq!(authenticator.authenticate(None, &HeaderMap::new()).unwrap_err().code, 401);
    assert_eq!(authenticator.authenticate(None, &bearer("rubbish")).unwrap_err().code, 401);
}

#[test]
fn requested_token_authenticates_its_service_account() {
    let (_, authenticator) = cluster();
    let answer =
        request(&authenticator, json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web-0"}}));
    let token = answer["status"]["token"].as_str().unwrap();
    let caller = authenticator.authenticate(None, &bearer(token)).unwrap();
    assert_eq!(caller.username, "system:serviceaccount:prod:web");
    assert_eq!(caller.uid, "sa-1");
    assert_eq!(caller.groups, ["system:serviceaccounts", "system:serviceaccounts:prod", "system:authenticated"]);
    assert!(caller.extra.contains(&("authentication.kubernetes.io/pod-name".into(), vec!["web-0".into()])));
    assert!(caller.extra.contains(&("authentication.kubernetes.io/node-uid".into(), vec!["n-1".into()])));
    let claims = claims(token);
    assert_eq!(claims["sub"], "system:serviceaccount:prod:web");
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["aud"], json!([ISSUER]));
    assert_eq!(claims["kubernetes.io"]["pod"], json!({"name": "web-0", "uid": "p-1"}));
    assert_eq!(claims["kubernetes.io"]["node"], json!({"name": "node-1", "uid": "n-1"}));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
}

#[test]
fn pod_token_of_the_usual_life_is_extended_and_warns() {
    let (store, authenticator) = cluster();
    let pod = store.get(&Resource::new("", "pods"), "prod", "web-0").unwrap();
    let minted = authenticator.mint_for_pod(&pod.object, "web", "", 3607).unwrap();
    let claims = claims(&minted.token);
    let issued = claims["iat"].as_i64().unwrap();
    assert_eq!(claims["kubernetes.io"]["warnafter"], issued + 3607);
    assert_eq!(claims["exp"], issued + 365 * 24 * 3600);
    assert_eq!(minted.expires.as_second(), issued + 3607);
    let other = authenticator.mint_for_pod(&pod.object, "web", "istio-ca", 3607).unwrap();
    assert_eq!(self::claims(&other.token)["kubernetes.io"].get("warnafter"), None);
}

#[test]
fn token_request_refuses_short_lives_and_other_pods() {
    let (store, authenticator) = cluster();
    let error = authenticator.token_request("prod", "web", json!({"spec": {"expirationSeconds": 60}})).unwrap_err();
    assert_eq!(
        error.message,
        "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 60: \
         may not specify a duration less than 10 minutes"
    );
    put(
        &store,
        "pods",
        json!({"metadata": {"name": "db-0", "namespace": "prod", "uid": "p-2"}, "spec": {"serviceAccountName": "db"}}),
    );
    let bound = json!({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "db-0"}}});
    let error = authenticator.token_request("prod", "web", bound).unwrap_err();
    assert_eq!(
        error.message,
        "cannot bind token for serviceaccount \"web\" to pod running with different serviceaccount name."
    );
    assert_eq!(authenticator.token_request("prod", "nobody", json!({})).unwrap_err().code, 404);
}

#[test]
fn token_dies_with_its_service_account_and_its_pod() {
    let (store, authenticator) = cluster();
    let bound = json!({"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web-0"}});
    let token = request(&authenticator, bound)["status"]["token"].clone();
    assert_eq!(review(&authenticator, json!({"token": token}))["authenticated"], true);
    let pods = Resource::new("", "pods");
    let pod = store.get(&pods, "prod", "web-0").unwrap();
    store.remove(&pods, "prod", "web-0", pod.object.revision()).unwrap();
    let status = review(&authenticator, json!({"token": token}));
    assert_eq!(status["error"], "[invalid bearer token, service account token has been invalidated]");

    let token = request(&authenticator, json!({}))["status"]["token"].clone();
    assert_eq!(review(&authenticator, json!({"token": token}))["authenticated"], true);
    let accounts = Resource::new("", "serviceaccounts");
    let account = store.get(&accounts, "prod", "web").unwrap();
    store.remove(&accounts, "prod", "web", account.object.revision()).unwrap();
    put(&store, "serviceaccounts", json!({"metadata": {"name": "web", "namespace": "prod", "uid": "sa-2"}}));
    let status = review(&authenticator, json!({"token": token}));
    let why = "[invalid bearer token, service account UID (sa-2) does not match claim (sa-1)]";
    assert_eq!(status["error"], why);
}

#[test]
fn token_review_checks_the_audience() {
    let (_, authenticator) = cluster();
    let token = request(&authenticator, json!({"audiences": ["istio-ca"]}))["status"]["token"].clone();
    let status = review(&authenticator, json!({"token": token, "audiences": ["istio-ca", "x"]}));
    assert_eq!(status["audiences"], json!(["istio-ca"]));
    assert_eq!(status["user"]["username"], "system:serviceaccount:prod:web");
    let status = review(&authenticator, json!({"token": token}));
    let why = "[invalid bearer token, token audiences [\"istio-ca\"] is invalid for the target audiences \
               [\"https://kubernetes.default.svc.cluster.local\"]]";
    assert_eq!(status["error"], why);
    assert_eq!(authenticator.authenticate(None, &bearer(token.as_str().unwrap())).unwrap_err().code, 401);
}

#[test]
fn published_key_verifies_tokens() {
    let (_, authenticator) = cluster();
    let token = request(&authenticator, json!({}))["status"]["token"].as_str().unwrap().to_owned();
    let keys = authenticator.openid("/openid/v1/jwks").unwrap();
    let jwk = serde_json::from_value(keys["keys"][0].clone()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    validation.set_audience(&[ISSUER]);
    jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
}

#[test]
fn access_reviews_answer_through_authorize() {
    let (_, authenticator) = cluster();
    let caller = Caller::component("system:admin");
    let path = ("authorization.k8s.io", "v1", "selfsubjectaccessreviews");
    let body = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let answer = authenticator.review(&caller, path, "", body).unwrap().unwrap();
    assert_eq!(answer["status"]["allowed"], true);
    assert_eq!(answer["kind"], "SelfSubjectAccessReview");
    let path = ("authorization.k8s.io", "v1", "subjectaccessreviews");
    let error = authenticator.review(&caller, path, "", json!({"spec": {}})).unwrap().unwrap_err();
    assert_eq!(error.code, 422);
    assert!(error.message.contains("at least one of user or group must be specified"), "{}", error.message);
    assert!(authenticator.review(&caller, ("authorization.k8s.io", "v1", "pods"), "", json!({})).is_none());
}
