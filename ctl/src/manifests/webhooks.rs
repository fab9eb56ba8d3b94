//! What the API server asks galley: proxies for new pods, and whether an object makes sense.
//!
//! The selectors are the wall that keeps pods of namespaces which did not opt in independent of galley: the API server
//! does not ask for them, so they start also when galley is down. galley adds the roots (`caBundle`) itself.

use k8s_openapi::{
    api::admissionregistration::v1::{
        MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ServiceReference, ValidatingWebhook,
        ValidatingWebhookConfiguration, WebhookClientConfig,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
};
use serde_json::Value;

use super::{named, value};
use crate::options::NAMESPACE;

const INJECTION: &str = "istio-injection";
const REVISION: &str = "istio.io/rev";
const INJECT: &str = "sidecar.istio.io/inject";

/// A condition on labels: key, operator, values.
type Condition<'a> = (&'a str, &'a str, &'a [&'a str]);

fn selector(conditions: &[Condition<'_>]) -> Option<LabelSelector> {
    let requirement = |(key, operator, values): &Condition<'_>| LabelSelectorRequirement {
        key: (*key).to_owned(),
        operator: (*operator).to_owned(),
        values: (!values.is_empty()).then(|| values.iter().map(|value| (*value).to_owned()).collect()),
    };
    let match_expressions = Some(conditions.iter().map(requirement).collect());
    Some(LabelSelector { match_expressions, match_labels: None })
}

fn door(path: &str) -> WebhookClientConfig {
    WebhookClientConfig {
        service: Some(ServiceReference {
            name: "istiod".to_owned(),
            namespace: NAMESPACE.to_owned(),
            path: Some(path.to_owned()),
            port: Some(443),
        }),
        ..WebhookClientConfig::default()
    }
}

fn rule(
    groups: &[&str],
    versions: &[&str],
    operations: &[&str],
    resources: &[&str],
) -> Option<Vec<RuleWithOperations>> {
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    Some(vec![RuleWithOperations {
        api_groups: words(groups),
        api_versions: words(versions),
        operations: words(operations),
        resources: words(resources),
        scope: None,
    }])
}

fn injection(name: &str, namespace: &[Condition<'_>], object: &[Condition<'_>]) -> MutatingWebhook {
    MutatingWebhook {
        name: format!("{name}.sidecar-injector.istio.io"),
        admission_review_versions: vec!["v1".to_owned(), "v1beta1".to_owned()],
        client_config: door("/inject"),
        failure_policy: Some("Fail".to_owned()),
        namespace_selector: selector(namespace),
        object_selector: selector(object),
        reinvocation_policy: Some("Never".to_owned()),
        rules: rule(&[""], &["v1"], &["CREATE"], &["pods"]),
        side_effects: "None".to_owned(),
        ..MutatingWebhook::default()
    }
}

pub(super) fn objects(revision: &str) -> Result<Vec<Value>, serde_json::Error> {
    const API: &str = "admissionregistration.k8s.io/v1";
    let not_refused: Condition<'_> = (INJECT, "NotIn", &["false"]);
    let revisions = [revision];
    let here: Condition<'_> = (REVISION, "In", &revisions);
    let mut webhooks = vec![
        injection("rev.namespace", &[here, (INJECTION, "DoesNotExist", &[])], &[not_refused]),
        injection(
            "rev.object",
            &[(REVISION, "DoesNotExist", &[]), (INJECTION, "DoesNotExist", &[])],
            &[not_refused, here],
        ),
    ];
    if revision == "default" {
        webhooks.push(injection("namespace", &[(INJECTION, "In", &["enabled"])], &[not_refused]));
        webhooks.push(injection(
            "object",
            &[(INJECTION, "DoesNotExist", &[]), (REVISION, "DoesNotExist", &[])],
            &[(INJECT, "In", &["true"]), (REVISION, "DoesNotExist", &[])],
        ));
    }
    let injector = MutatingWebhookConfiguration { metadata: named("istio-sidecar-injector"), webhooks: Some(webhooks) };
    let groups = [
        "security.istio.io",
        "networking.istio.io",
        "telemetry.istio.io",
        "extensions.istio.io",
        "gateway.networking.k8s.io",
    ];
    let validator = ValidatingWebhookConfiguration {
        metadata: named(&format!("istio-validator-{NAMESPACE}")),
        webhooks: Some(vec![ValidatingWebhook {
            name: "rev.validation.istio.io".to_owned(),
            admission_review_versions: vec!["v1".to_owned(), "v1beta1".to_owned()],
            client_config: door("/validate"),
            // galley makes it `Fail` once it has proven that it answers.
            failure_policy: Some("Ignore".to_owned()),
            rules: rule(&groups, &["*"], &["CREATE", "UPDATE"], &["*"]),
            side_effects: "None".to_owned(),
            ..ValidatingWebhook::default()
        }]),
    };
    Ok(vec![
        value(API, "MutatingWebhookConfiguration", &injector)?,
        value(API, "ValidatingWebhookConfiguration", &validator)?,
    ])
}
