//! Objects of configuration in the world: those that parse are served, all are reported on.

use std::sync::Arc;

use injector::ProxyConfigObject;
use istio_api::{ProxyConfig, Shaped};
use k8s_openapi::jiff::Timestamp;
use mesh_kube::{
    Key,
    status::{self, Condition},
};
use mesh_model::{
    config::{Config, Kind},
    issue::{FieldPath, Issue},
};
use serde_json::{Map, Value};

use super::World;
use crate::config::{self, Judgement};

/// What is to be said in an object's status.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its kind.
    pub kind: Kind,
    /// Where it is.
    pub key: Key,
    /// None: it is gone.
    pub finding: Option<Finding>,
}

/// What was found of one version of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Of the object that was read.
    pub resource_version: String,
    /// Its status as it was read.
    pub status: Option<Value>,
    /// What should stand there.
    pub conditions: Vec<Condition>,
    /// Other fields that should stand there, whole.
    pub fields: Map<String, Value>,
    /// What else should stand there, which is no plain field.
    pub beside: Beside,
}

impl Finding {
    /// What the status lacks of it, as a patch; none: it is all there.
    pub fn patch(&self, now: Timestamp) -> Option<Map<String, Value>> {
        let conditions = status::merged(self.status.as_ref(), &self.conditions, now);
        let differs =
            |(name, value): &(&String, &Value)| self.status.as_ref().map(|s| &s[name.as_str()]) != Some(value);
        let fields = self.fields.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone()));
        let mut patch: Map<String, Value> = fields.collect();
        patch.extend(conditions.map(|conditions| ("conditions".to_owned(), conditions.into())));
        (!patch.is_empty()).then_some(patch)
    }
}

/// What some kinds have in their status besides, or instead of, conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Beside {
    /// Nothing.
    #[default]
    Nothing,
    /// Gateway of the Gateway API.
    Gateway {
        /// Where it is found.
        addresses: Vec<Value>,
        /// Everything but the conditions, and these.
        listeners: Vec<(Value, Vec<Condition>)>,
    },
    /// Routes of the Gateway API: parents, and what is true of them.
    Route(Vec<(Value, Vec<Condition>)>),
}

impl World {
    pub(super) fn apply_config(&mut self, kind: Kind, object: &Value) {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let key = Key { namespace: text("namespace"), name: text("name") };
        let judgement = config::judge(object, &self.context);
        let type_url = config::type_url_of(kind);
        let issues = match &judgement {
            Judgement::Accepted { config, .. } => {
                self.secrets.name(kind, &key, config.credentials());
                self.gateway_api.config(kind, &key, Some((config.clone(), object)));
                if self.now.set(&type_url, config::resource(kind, object)) {
                    self.is_changed = true;
                    self.keep_proxy_config(kind, &key, Some(&object["spec"]));
                }
                Vec::new()
            }
            Judgement::Refused(issues) => {
                self.secrets.name(kind, &key, None);
                self.gateway_api.config(kind, &key, None);
                self.is_changed |= self.now.remove(&type_url, &key.to_string());
                self.keep_proxy_config(kind, &key, None);
                issues.iter().map(ToString::to_string).collect()
            }
        };
        self.say(&Self::name_of(kind, &key), issues);
        if kind.is_gateway_api() {
            // Their status depends on other objects: it is made when the world settles.
            return;
        }
        let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
        let finding = Finding {
            resource_version: text("resourceVersion"),
            status: object.get("status").cloned(),
            conditions: conditions(&judgement, generation),
            fields: Map::new(),
            beside: Beside::Nothing,
        };
        match judgement {
            Judgement::Accepted { config: Config::ServiceEntry(entry), .. } => {
                self.addresses.apply(key, entry, finding);
            }
            _ => {
                self.addresses.delete(kind, &key);
                self.reports.push(Report { kind, key, finding: Some(finding) });
            }
        }
    }

    pub(super) fn delete_config(&mut self, kind: Kind, key: &Key) {
        self.is_changed |= self.now.remove(&config::type_url_of(kind), &key.to_string());
        self.keep_proxy_config(kind, key, None);
        self.secrets.name(kind, key, None);
        self.gateway_api.config(kind, key, None);
        self.say(&Self::name_of(kind, key), Vec::new());
        self.addresses.delete(kind, key);
        self.reports.push(Report { kind, key: key.clone(), finding: None });
    }

    /// Injection reads ProxyConfigs itself, before a proxy is there that pilot could tell.
    fn keep_proxy_config(&mut self, kind: Kind, key: &Key, spec: Option<&Value>) {
        if kind != Kind::ProxyConfig {
            return;
        }
        let all = Arc::make_mut(&mut self.now.proxy_configs);
        // It parsed, so it can be read.
        match spec.and_then(|spec| ProxyConfig::read(spec, "spec").ok()).map(|read| read.value) {
            Some(spec) => {
                drop(all.insert(key.to_string(), ProxyConfigObject { namespace: key.namespace.clone(), spec }))
            }
            None => drop(all.remove(&key.to_string())),
        }
    }
}

/// `Accepted`: it counts. `Honoured`: all of it does.
fn conditions(judgement: &Judgement, observed_generation: i64) -> Vec<Condition> {
    let condition = |kind, is_true, reason, message| Condition { kind, is_true, reason, message, observed_generation };
    match judgement {
        Judgement::Refused(issues) => vec![
            condition("Accepted", false, "Invalid", lines(issues)),
            condition(
                "Honoured",
                false,
                "NotAccepted",
                "the object is refused, so none of it has an effect".to_owned(),
            ),
        ],
        Judgement::Accepted { warnings, without_effect, .. } => {
            let accepted = if warnings.is_empty() {
                condition("Accepted", true, "Valid", "the object counts".to_owned())
            } else {
                condition("Accepted", true, "ValidWithWarnings", lines(warnings))
            };
            let honoured = if without_effect.is_empty() {
                condition("Honoured", true, "AllFields", "every field has its effect".to_owned())
            } else {
                let message = format!("without effect in this version: {}", paths(without_effect));
                condition("Honoured", false, "FieldsWithoutEffect", message)
            };
            vec![accepted, honoured]
        }
    }
}

/// One issue a line. The object's name is left out: the text stands in the object.
fn lines(issues: &[Issue]) -> String {
    let lines: Vec<String> = issues.iter().map(|i| format!("{}: {}; {}", i.path, i.reason, i.way_out)).collect();
    lines.join("\n")
}

pub(super) fn paths(paths: &[FieldPath]) -> String {
    paths.iter().map(FieldPath::as_str).collect::<Vec<_>>().join(", ")
}
