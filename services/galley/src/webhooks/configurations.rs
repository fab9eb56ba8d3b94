//! Keeps the API server asking: the webhook configurations carry the mesh's root, whoever overwrites them.
//!
//! Validation starts with `failurePolicy: Ignore`, because while nobody answers nothing could be stored at all. Once an
//! object that must be refused was refused (a dry run), validation is proven, and from then on it must answer: `Fail`.
//! What the policies of injection are is not touched: its configuration asks for pods only where somebody opted in.

use std::time::Duration;

use futures::{Stream, StreamExt, stream::BoxStream};
use k8s_openapi::ByteString;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
    runtime::watcher::Config,
};
use mesh_identity::Credentials;
use mesh_kube::{
    Change,
    informer::{Awaken, changes},
};
use mesh_model::config::Kind;
use serde_json::{Value, json};
use tokio::time;

use crate::{metrics::Metrics, source::cluster::resource_of};

/// Between attempts: to correct what could not be corrected, to prove what is not proven.
const AGAIN: Duration = Duration::from_secs(2);
/// Correct configurations are looked at anyway, in case the roots changed.
const ROUTINE: Duration = Duration::from_secs(60);

/// The two kinds of configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Injection,
    Validation,
}

/// Keeps both configurations right.
pub struct Keeper {
    client: Client,
    credentials: Credentials,
    root_namespace: String,
    metrics: Metrics,
    is_proven: bool,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("is_proven", &self.is_proven).finish_non_exhaustive()
    }
}

impl Keeper {
    /// A keeper of `istio-sidecar-injector` and `istio-validator-ROOT_NAMESPACE`.
    pub fn new(client: Client, credentials: Credentials, root_namespace: String, metrics: Metrics) -> Self {
        Self { client, credentials, root_namespace, metrics, is_proven: false }
    }

    /// Keeps them for ever, from the moment on that galley has a certificate to answer with.
    pub async fn run(mut self) {
        if self.credentials.ready().await.is_none() {
            return;
        }
        let awaken = Awaken::new();
        let mut events =
            futures::stream::select(self.follow(Role::Injection, &awaken), self.follow(Role::Validation, &awaken));
        let (mut injection, mut validation) = (None, None);
        let mut roots = self.credentials.roots.clone();
        loop {
            let injection_done = self.correct(Role::Injection, injection.as_ref()).await;
            let validation_done = self.correct(Role::Validation, validation.as_ref()).await;
            let proven_now = validation.is_some() && validation_done && !self.is_proven && self.prove().await;
            if proven_now {
                self.is_proven = true;
                continue;
            }
            let is_settled = injection_done && validation_done && (self.is_proven || validation.is_none());
            tokio::select! {
                Some((role, object)) = events.next() => match role {
                    Role::Injection => injection = object,
                    Role::Validation => validation = object,
                },
                Ok(()) = roots.changed() => {}
                () = time::sleep(if is_settled { ROUTINE } else { AGAIN }) => {}
            }
        }
    }

    fn follow(&self, role: Role, awaken: &Awaken) -> BoxStream<'static, (Role, Option<DynamicObject>)> {
        let config = Config::default().fields(&format!("metadata.name={}", self.name(role)));
        let api = Api::all_with(self.client.clone(), &resource(role));
        latest(changes(api, config, awaken.listen())).map(move |object| (role, object)).boxed()
    }

    fn name(&self, role: Role) -> String {
        match role {
            Role::Injection => "istio-sidecar-injector".to_owned(),
            Role::Validation => format!("istio-validator-{}", self.root_namespace),
        }
    }

    /// Puts a configuration right. False: it could not be, try again.
    async fn correct(&self, role: Role, object: Option<&DynamicObject>) -> bool {
        let Some(object) = object else { return true };
        let root = self.credentials.trusted().to_pem();
        let Some(webhooks) = corrected(&object.data["webhooks"], &root, self.is_proven && role == Role::Validation)
        else {
            return true;
        };
        let mut right = object.clone();
        right.data["webhooks"] = webhooks;
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource(role));
        match api.replace(&self.name(role), &PostParams::default(), &right).await {
            Ok(_) => {
                tracing::info!(configuration = self.name(role), "corrected");
                self.metrics.hook_updated();
                true
            }
            // It changed meanwhile, or is gone: the informer brings what it is now.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => true,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(configuration = self.name(role), error, "cannot be corrected; trying again");
                false
            }
        }
    }

    /// Whether the API server refuses, on our word, what must be refused. Nothing is stored either way.
    async fn prove(&self) -> bool {
        let resource = resource_of(Kind::Gateway);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.root_namespace, &resource);
        // A Gateway without servers.
        let wrong = DynamicObject::new("lateen-validation-probe", &resource).data(json!({ "spec": {} }));
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        match api.create(&dry, &wrong).await {
            Err(kube::Error::Api(status)) if status.message.contains("denied the request") => {
                tracing::info!("validation is proven; from now on it must answer");
                true
            }
            Ok(_) => {
                tracing::debug!("a wrong object would have been stored: validation is not asked yet");
                false
            }
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "validation cannot be proven yet");
                false
            }
        }
    }
}

fn resource(role: Role) -> ApiResource {
    let (kind, plural) = match role {
        Role::Injection => ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
        Role::Validation => ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind), plural)
}

/// The one object of a collection of one, each time that it changes; none: it is gone.
fn latest<K>(changes: impl Stream<Item = Change<K>>) -> impl Stream<Item = Option<K>> {
    changes.filter_map(async |change| match change {
        Change::Applied(object) => Some(Some(object)),
        Change::Deleted(_) | Change::Absent => Some(None),
        Change::Listed => None,
    })
}

/// The webhooks as they should be, or none when they are. `must_answer`: failures count as refusals.
pub fn corrected(webhooks: &Value, root: &str, must_answer: bool) -> Option<Value> {
    let bundle = json!(ByteString(root.as_bytes().to_vec()));
    let mut right = webhooks.clone();
    for webhook in right.as_array_mut().into_iter().flatten() {
        // One with a URL is somebody's own way to us, with a certificate of their own.
        if !webhook["clientConfig"]["service"].is_object() {
            continue;
        }
        webhook["clientConfig"]["caBundle"] = bundle.clone();
        if must_answer {
            webhook["failurePolicy"] = "Fail".into();
        }
    }
    (right != *webhooks).then_some(right)
}

#[cfg(test)]
mod tests;
