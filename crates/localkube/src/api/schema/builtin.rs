//! The schemas of built-in kinds, from `k8s-openapi`: as JSON for OpenAPI documents, and compiled for the engine.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use k8s_openapi::{
    Resource,
    api::{
        admissionregistration::v1 as admission, apps::v1 as apps, authentication::v1 as authentication,
        authorization::v1 as authorization, autoscaling::v1 as autoscaling1, autoscaling::v2 as autoscaling2,
        batch::v1 as batch, coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery,
        networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions,
    apimachinery::pkg::apis::meta::v1 as meta,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::{JsonType, Schema, texts};
use crate::kinds::Kind;

/// Where documents keep definitions, as a JSON pointer.
const DEFINITIONS: &str = "/components/schemas";

/// A top-level type: group, version, kind, the name of its definition, and how to generate it.
pub struct TopLevel {
    /// "" for the core group.
    pub group: &'static str,
    /// `v1`.
    pub version: &'static str,
    /// `Pod`.
    pub kind: &'static str,
    generate: fn(&mut SchemaGenerator),
    name: fn() -> String,
}

impl TopLevel {
    /// `io.k8s.api.core.v1.Pod`.
    pub fn definition(&self) -> String {
        (self.name)()
    }
}

const fn top<T: Resource + JsonSchema>() -> TopLevel {
    TopLevel {
        group: T::GROUP,
        version: T::VERSION,
        kind: T::KIND,
        generate: |generator| {
            generator.subschema_for::<T>();
        },
        name: || T::schema_name().into_owned(),
    }
}

/// Every top-level type that is served, those of subresources and virtual kinds included.
pub const TOP_LEVEL: &[TopLevel] = &[
    top::<core::Binding>(),
    top::<core::ConfigMap>(),
    top::<core::Endpoints>(),
    top::<core::Event>(),
    top::<core::Namespace>(),
    top::<core::Node>(),
    top::<core::Pod>(),
    top::<core::ReplicationController>(),
    top::<core::Secret>(),
    top::<core::Service>(),
    top::<core::ServiceAccount>(),
    top::<admission::MutatingWebhookConfiguration>(),
    top::<admission::ValidatingWebhookConfiguration>(),
    top::<apiextensions::CustomResourceDefinition>(),
    top::<apps::DaemonSet>(),
    top::<apps::Deployment>(),
    top::<apps::ReplicaSet>(),
    top::<apps::StatefulSet>(),
    top::<authentication::SelfSubjectReview>(),
    top::<authentication::TokenRequest>(),
    top::<authentication::TokenReview>(),
    top::<authorization::LocalSubjectAccessReview>(),
    top::<authorization::SelfSubjectAccessReview>(),
    top::<authorization::SelfSubjectRulesReview>(),
    top::<authorization::SubjectAccessReview>(),
    top::<autoscaling1::Scale>(),
    top::<autoscaling2::HorizontalPodAutoscaler>(),
    top::<batch::CronJob>(),
    top::<batch::Job>(),
    top::<coordination::Lease>(),
    top::<discovery::EndpointSlice>(),
    top::<networking::NetworkPolicy>(),
    top::<policy::Eviction>(),
    top::<policy::PodDisruptionBudget>(),
    top::<rbac::ClusterRole>(),
    top::<rbac::ClusterRoleBinding>(),
    top::<rbac::Role>(),
    top::<rbac::RoleBinding>(),
];

/// The JSON schemas of those top-level types that `wanted` picks, and of all that they refer to, by definition name.
/// References read `#/components/schemas/NAME`.
pub fn json(wanted: impl Fn(&TopLevel) -> bool) -> Map<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = DEFINITIONS.into();
    let mut generator = settings.into_generator();
    for top in TOP_LEVEL.iter().filter(|top| wanted(top)) {
        (top.generate)(&mut generator);
    }
    generator.subschema_for::<meta::ObjectMeta>();
    generator.take_definitions(false)
}

/// The definition of object metadata.
pub fn object_meta() -> String {
    meta::ObjectMeta::schema_name().into_owned()
}

/// All definitions of built-in kinds, compiled.
pub struct Definitions {
    schemas: Vec<Schema>,
    by_kind: HashMap<(&'static str, &'static str, &'static str), usize>,
    metadata: Option<usize>,
}

impl Definitions {
    pub(super) fn schema(&self, index: usize) -> Option<&Schema> {
        self.schemas.get(index)
    }

    /// The schema of a built-in kind.
    pub fn kind(&self, kind: &Kind) -> Option<&Schema> {
        self.schema(*self.by_kind.get(&(&*kind.group, &*kind.version, &*kind.kind))?)
    }

    /// The schema of `metadata`.
    pub fn metadata(&self) -> Option<&Schema> {
        self.schema(self.metadata?)
    }
}

/// The compiled definitions; made when first asked for.
pub fn definitions() -> &'static Definitions {
    static DEFINITIONS: OnceLock<Definitions> = OnceLock::new();
    DEFINITIONS.get_or_init(|| {
        let sources = json(|_| true);
        let names: BTreeMap<&str, usize> = sources.keys().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let schemas = sources.iter().map(|(name, source)| compile(Some(name), source, &names)).collect();
        let by_kind = TOP_LEVEL
            .iter()
            .filter_map(|top| Some(((top.group, top.version, top.kind), *names.get(top.definition().as_str())?)));
        let by_kind = by_kind.collect();
        Definitions { schemas, by_kind, metadata: names.get(object_meta().as_str()).copied() }
    })
}

/// Compiles one of `k8s-openapi`'s schemas, which use few of the words: types, formats, properties and references.
fn compile(name: Option<&str>, source: &Value, names: &BTreeMap<&str, usize>) -> Schema {
    let text = |key: &str| source.get(key).and_then(Value::as_str);
    let sub = |key: &str| source.get(key).filter(|v| v.is_object()).map(|v| Box::new(compile(None, v, names)));
    if let Some(target) = text("$ref").and_then(|r| r.strip_prefix("#/components/schemas/")) {
        return Schema { reference: names.get(target).copied(), ..Schema::default() };
    }
    let properties = source.get("properties").and_then(Value::as_object);
    let properties: BTreeMap<Box<str>, Schema> = properties
        .into_iter()
        .flatten()
        .map(|(key, schema)| (key.as_str().into(), compile(None, schema, names)))
        .collect();
    let additional = sub("additionalProperties");
    let json_type = text("type").and_then(JsonType::parse);
    // An object of which nothing is known is any JSON in Kubernetes: a default, a raw extension, a set of fields.
    let anything = properties.is_empty() && additional.is_none() && json_type == Some(JsonType::Object);
    Schema {
        name: name.and_then(|n| n.rsplit('.').next()).map(Into::into),
        json_type: json_type.filter(|_| !anything),
        format: text("format").map(Into::into),
        preserve_unknown: anything || json_type.is_none(),
        int_or_string: source.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)),
        properties,
        additional,
        items: sub("items"),
        required: texts(source.get("required")),
        ..Schema::default()
    }
}
