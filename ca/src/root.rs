//! Where the root is kept.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use mesh_pki::{Authority, AuthorityError, AuthorityParts};

/// An authority that somebody plugged in. It counts before our own.
/// <https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert/>
const PLUGGED: &str = "cacerts";

/// The root that we made.
const OWN: &str = "istio-ca-secret";

/// Type of [`OWN`], as Istio's.
const OWN_TYPE: &str = "istio.io/ca-root";

/// How often a lost race for making the root is tried again.
const ATTEMPTS: usize = 5;

/// Why there is no root. Without one nothing is signed.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The API failed.
    #[error("Secret {name} could not be {verb}")]
    Api {
        /// Of the Secret.
        name: &'static str,
        /// `read` or `created`.
        verb: &'static str,
        /// What the API says.
        source: Box<kube::Error>,
    },
    /// A Secret is there, and it holds no authority. It is never overwritten: what it signed may be in use.
    #[error("Secret {name} holds no authority that can sign; repair it, or delete it to have a new root made")]
    Broken {
        /// Of the Secret.
        name: &'static str,
        /// What is wrong.
        source: AuthorityError,
    },
    /// A new root could not be made.
    #[error("a new root could not be made")]
    Generate(#[source] AuthorityError),
    /// Others created and deleted it, again and again.
    #[error("Secret {OWN} comes and goes")]
    Restless,
}

/// The authority of the cluster: plugged in, or ours from before, or a new one. Whoever creates the Secret first has
/// made the root; all others read it.
///
/// # Errors
/// The API fails, or a Secret holds something else.
pub async fn obtain(client: &Client, namespace: &str, trust_domain: &str) -> Result<Authority, RootError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    for attempt in 0..ATTEMPTS {
        for name in [PLUGGED, OWN] {
            if let Some(secret) = read(&secrets, name).await? {
                tracing::info!(secret = name, "the root was read");
                return load(&secret).map_err(|source| RootError::Broken { name, source });
            }
        }
        let authority = Authority::generate(trust_domain, SystemTime::now()).map_err(RootError::Generate)?;
        match secrets.create(&PostParams::default(), &secret(&authority)).await {
            Ok(_) => {
                tracing::info!(secret = OWN, "a new root was made");
                return Ok(authority);
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {
                tracing::info!(attempt, "another replica made the root first");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(source) => return Err(RootError::Api { name: OWN, verb: "created", source: Box::new(source) }),
        }
    }
    Err(RootError::Restless)
}

async fn read(secrets: &Api<Secret>, name: &'static str) -> Result<Option<Secret>, RootError> {
    secrets.get_opt(name).await.map_err(|source| RootError::Api { name, verb: "read", source: Box::new(source) })
}

fn load(secret: &Secret) -> Result<Authority, AuthorityError> {
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.map(|ByteString(bytes)| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
    };
    let (certificate, key, chain, roots) =
        (text("ca-cert.pem"), text("ca-key.pem"), text("cert-chain.pem"), text("root-cert.pem"));
    let parts = AuthorityParts { certificate: &certificate, key: &key, chain: &chain, roots: &roots };
    Authority::load(parts, SystemTime::now())
}

fn secret(authority: &Authority) -> Secret {
    let certificate = authority.certificate_pem();
    let texts = [
        ("ca-cert.pem", certificate.clone()),
        ("ca-key.pem", authority.key_pem().to_owned()),
        ("cert-chain.pem", String::new()),
        ("root-cert.pem", certificate),
    ];
    let data: BTreeMap<_, _> =
        texts.into_iter().map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))).collect();
    Secret {
        metadata: ObjectMeta { name: Some(OWN.to_owned()), ..Default::default() },
        data: Some(data),
        type_: Some(OWN_TYPE.to_owned()),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
