//! Who asks: client certificates and service-account tokens. What they may: everything, decided in one function.
//!
//! A token is good while its signature, issuer, audience and time are, while its service account exists with the uid
//! that it was made for, and while the pod that it is bound to does.

use std::sync::Arc;

use http::{HeaderMap, header};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Caller, http::target::decode, pki::TokenKey, verbs::random_uid};
use crate::{
    object::Object,
    status::Status,
    store::{Resource, Store},
};

pub mod review;

/// The issuer of service-account tokens, and the audience of those meant for the API server.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The group of all who are not anonymous, and how the names of service accounts begin.
const AUTHENTICATED: &str = "system:authenticated";
const ACCOUNT: &str = "system:serviceaccount:";

/// A pod's token asks for this life; it is honoured for [`EXTENDED`] so that a program that never reads it again works.
const WARN_ONLY: i64 = 3607;
const EXTENDED: i64 = 365 * 24 * 3600;

/// A deleted pod's token still works this long, so that the pod can finish its work.
const DELETED_LEEWAY: i64 = 60;

/// What a caller wants to do, as an authorizer sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `get`, `create`, ...
    pub verb: String,
    /// "" for the core group.
    pub group: String,
    /// `pods`; "" for a path that is no resource.
    pub resource: String,
    /// `exec`, `status`; "" for none.
    pub subresource: String,
    /// "" for all or for none.
    pub namespace: String,
    /// "" for all.
    pub name: String,
    /// For a path that is no resource: `/healthz`.
    pub path: String,
}

/// An authorizer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// May it?
    pub allowed: bool,
    /// Why.
    pub reason: String,
}

/// The one place that decides what a caller may do. Every authenticated caller may do all.
pub fn authorize(_caller: &Caller, _attributes: &Attributes) -> Decision {
    Decision { allowed: true, reason: "every authenticated caller may do everything in this cluster".into() }
}

/// An object that a token names by name and uid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl Named {
    fn of(object: &Object) -> Self {
        Self { name: object.name().to_owned(), uid: object.uid().to_owned() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: Vec<String>,
    exp: i64,
    iat: i64,
    iss: String,
    jti: String,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Private,
    nbf: i64,
    sub: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Private {
    namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pod: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Named>,
    serviceaccount: Named,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warnafter: Option<i64>,
}

/// The object that a token lives and dies with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A pod and the node that it runs on.
    Pod(Named, Option<Named>),
    /// A secret.
    Secret(Named),
    /// A node.
    Node(Named),
}

/// A token and the moment that its holder should renew it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minted {
    /// The JSON Web Token.
    pub token: String,
    /// When the life that was asked for ends.
    pub expires: Timestamp,
}

/// Tells callers apart. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    store: Store,
    key: Arc<TokenKey>,
}

impl Authenticator {
    /// Checks tokens of `key` against the service accounts and pods in `store`.
    pub fn new(store: Store, key: Arc<TokenKey>) -> Self {
        Self { store, key }
    }

    /// The caller behind a request, or whom that caller speaks for. 401 for nobody.
    pub fn authenticate(&self, peer: Option<&CertificateDer<'_>>, headers: &HeaderMap) -> Result<Caller, Status> {
        let caller = self.recognize(peer, headers)?;
        Ok(impersonated(headers).unwrap_or(caller))
    }

    /// By its verified client certificate, else by its bearer token.
    fn recognize(&self, peer: Option<&CertificateDer<'_>>, headers: &HeaderMap) -> Result<Caller, Status> {
        if let Some(caller) = peer.and_then(certified) {
            return Ok(caller);
        }
        let header = headers.get(header::AUTHORIZATION).and_then(|h| h.to_str().ok()).unwrap_or_default();
        let (scheme, token) = header.split_once(' ').unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Status::unauthorized());
        }
        let (caller, _) = self.check(token.trim(), &[ISSUER.to_owned()]).map_err(|why| {
            tracing::debug!(why, "a token was refused");
            Status::unauthorized()
        })?;
        Ok(caller)
    }

    /// Makes a token for a service account. Empty `audiences` mean the API server. `seconds` is the life asked for.
    pub fn mint(
        &self,
        account: &Object,
        audiences: &[String],
        seconds: i64,
        bound: Option<&Bound>,
    ) -> Result<Minted, Status> {
        let now = Timestamp::now().as_second();
        let for_api = audiences.is_empty() || audiences == [ISSUER];
        let extended = for_api && seconds == WARN_ONLY && matches!(bound, Some(Bound::Pod(..)));
        let (mut pod, mut node, mut secret) = (None, None, None);
        match bound.cloned() {
            Some(Bound::Pod(bound_pod, its_node)) => (pod, node) = (Some(bound_pod), its_node),
            Some(Bound::Secret(bound_secret)) => secret = Some(bound_secret),
            Some(Bound::Node(bound_node)) => node = Some(bound_node),
            None => {}
        }
        let claims = Claims {
            aud: if for_api { vec![ISSUER.to_owned()] } else { audiences.to_vec() },
            exp: now + if extended { EXTENDED } else { seconds },
            iat: now,
            iss: ISSUER.to_owned(),
            jti: random_uid(),
            kubernetes: Private {
                namespace: account.namespace().to_owned(),
                node,
                pod,
                secret,
                serviceaccount: Named::of(account),
                warnafter: extended.then_some(now + seconds),
            },
            nbf: now,
            sub: username(account.namespace(), account.name()),
        };
        let header = Header { kid: Some(self.key.id().to_owned()), typ: None, ..Header::new(Algorithm::ES256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.key.signer());
        let token = token.map_err(|e| Status::internal(format!("cannot sign the token: {e}")))?;
        let expires = Timestamp::from_second(now + seconds).map_err(|e| Status::internal(e.to_string()))?;
        Ok(Minted { token, expires })
    }

    /// The caller that a token speaks for, and those of `audiences` that the token is meant for.
    fn check(&self, token: &str, audiences: &[String]) -> Result<(Caller, Vec<String>), String> {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[ISSUER]);
        validation.validate_aud = false;
        validation.validate_exp = false;
        let claims: Claims = jsonwebtoken::decode(token, &self.key.verifier(), &validation)
            .map_err(|_| "invalid bearer token".to_owned())?
            .claims;
        let now = Timestamp::now().as_second();
        if claims.exp <= now {
            return Err("service account token has expired".into());
        }
        if claims.nbf > now + 1 {
            return Err("service account token is not valid yet".into());
        }
        let meant: Vec<String> = audiences.iter().filter(|a| claims.aud.contains(a)).cloned().collect();
        if meant.is_empty() {
            let (of, wanted) = (go_list(&claims.aud), go_list(audiences));
            return Err(format!("token audiences {of} is invalid for the target audiences {wanted}"));
        }
        self.check_bound(&claims.kubernetes, now)?;
        Ok((self.caller(claims), meant))
    }

    /// Do the objects that the token names still live?
    fn check_bound(&self, private: &Private, now: i64) -> Result<(), String> {
        let Private { namespace, serviceaccount: account, .. } = private;
        let found = self.find("serviceaccounts", namespace, &account.name);
        let found = found.ok_or_else(|| format!("serviceaccounts \"{}\" not found", account.name))?;
        let uid = found.uid();
        if uid != account.uid {
            return Err(format!("service account UID ({uid}) does not match claim ({})", account.uid));
        }
        let bound = [("pods", &private.pod), ("secrets", &private.secret)];
        for (plural, named) in bound.iter().filter_map(|(plural, named)| Some((plural, named.as_ref()?))) {
            let found = self.find(plural, namespace, &named.name).filter(|found| {
                let deleted = found.text("/metadata/deletionTimestamp").parse::<Timestamp>().ok();
                deleted.is_none_or(|at| at.as_second() + DELETED_LEEWAY > now)
            });
            let found = found.ok_or("service account token has been invalidated")?;
            let (uid, what) = (found.uid(), plural.trim_end_matches('s'));
            if uid != named.uid {
                return Err(format!(
                    "{what} UID ({uid}) does not match service account {what} ref claim ({})",
                    named.uid
                ));
            }
        }
        Ok(())
    }

    fn caller(&self, claims: Claims) -> Caller {
        let Private { namespace, node, pod, serviceaccount: account, .. } = claims.kubernetes;
        let mut extra = vec![("credential-id", format!("JTI={}", claims.jti))];
        if let Some(node) = node {
            extra.push(("node-name", node.name));
            extra.push(("node-uid", node.uid));
        }
        if let Some(pod) = pod {
            extra.push(("pod-name", pod.name));
            extra.push(("pod-uid", pod.uid));
        }
        let extra = extra
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (format!("authentication.kubernetes.io/{key}"), vec![value]));
        Caller {
            username: username(&namespace, &account.name),
            uid: account.uid,
            groups: account_groups(&namespace),
            extra: extra.collect(),
        }
    }

    fn find(&self, plural: &str, namespace: &str, name: &str) -> Option<Object> {
        self.store.get(&Resource::new("", plural), namespace, name).map(|stored| stored.object.clone())
    }

    /// `/openid/v1/jwks` and `/.well-known/openid-configuration`; None for any other path.
    pub fn openid(&self, path: &str) -> Option<Value> {
        match path {
            "/openid/v1/jwks" => {
                let (x, y) = self.key.coordinates();
                let key = json!({
                    "use": "sig", "kty": "EC", "kid": self.key.id(), "crv": "P-256", "alg": "ES256", "x": x, "y": y,
                });
                Some(json!({"keys": [key]}))
            }
            "/.well-known/openid-configuration" => Some(json!({
                "issuer": ISSUER,
                "jwks_uri": format!("{ISSUER}/openid/v1/jwks"),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
            })),
            _ => None,
        }
    }
}

/// The caller that a client certificate names: its common name, and its organizations as groups.
fn certified(peer: &CertificateDer<'_>) -> Option<Caller> {
    let (_, certificate) = X509Certificate::from_der(peer).ok()?;
    let subject = certificate.subject();
    let username = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let organizations = subject.iter_organization().filter_map(|o| o.as_str().ok()).map(str::to_owned);
    let groups = organizations.chain([AUTHENTICATED.to_owned()]).collect();
    Some(Caller { username, uid: String::new(), groups, extra: Vec::new() })
}

/// Whom the headers of impersonation name. Who may do everything may speak for everybody.
fn impersonated(headers: &HeaderMap) -> Option<Caller> {
    let all = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
    };
    let username = all("impersonate-user").pop()?;
    let mut groups = all("impersonate-group");
    if groups.is_empty()
        && let Some(account) = username.strip_prefix(ACCOUNT)
    {
        groups = account_groups(account.split(':').next().unwrap_or_default());
    } else if username != "system:anonymous" && !groups.iter().any(|group| group == AUTHENTICATED) {
        groups.push(AUTHENTICATED.to_owned());
    }
    let extra = headers.keys().filter_map(|name| Some((name, name.as_str().strip_prefix("impersonate-extra-")?)));
    let extra = extra.map(|(name, key)| (decode(key), all(name.as_str()))).collect();
    Some(Caller { username, uid: all("impersonate-uid").pop().unwrap_or_default(), groups, extra })
}

/// The groups of a namespace's service accounts.
fn account_groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}"), AUTHENTICATED.into()]
}

fn username(namespace: &str, name: &str) -> String {
    format!("{ACCOUNT}{namespace}:{name}")
}

/// A list as Go prints it: `["a" "b"]`.
fn go_list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", items.join(" "))
}

#[cfg(test)]
mod tests;
