//! Whether the proxy has what was explained.

use std::collections::{BTreeMap, BTreeSet};

use mesh_proto::type_url;
use serde::Deserialize;

use super::world::World;

/// How a proxy stands with one type, in pilot's words.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Standing {
    /// Hashes of what it was sent on its stream; what is not here it had before, as it still is.
    #[serde(default)]
    pub told: BTreeMap<String, String>,
    /// Names that it has not answered.
    #[serde(default)]
    pub unanswered: BTreeSet<String>,
    /// Names that came in a response that it refused.
    #[serde(default)]
    pub refused: BTreeSet<String>,
    /// Why it refused.
    #[serde(default)]
    pub error: Option<String>,
}

/// What a type's resources are called.
fn word(type_url: &str) -> &'static str {
    match type_url {
        type_url::LISTENER => "listener",
        type_url::ROUTE => "routes",
        type_url::CLUSTER => "cluster",
        _ => "endpoints",
    }
}

impl World {
    /// What the proxy lacks of these resources, a sentence each.
    pub(super) fn behind(&self, involved: &[(&'static str, &str)]) -> Vec<String> {
        let mut sentences = Vec::new();
        for (type_url, name) in involved {
            let Some(version) = self.versions.get(&(*type_url, (*name).to_owned())) else { continue };
            let what = format!("{} `{name}`", word(type_url));
            let Some(standing) = self.proxy.types.get(*type_url) else {
                sentences.push(format!("this proxy never asked for {what}"));
                continue;
            };
            if standing.refused.contains(*name) {
                let why = standing.error.as_deref().unwrap_or("no reason is known");
                sentences.push(format!("this proxy refused the newest {what}: {why}"));
            } else if standing.unanswered.contains(*name) {
                sentences.push(format!("this proxy has not acknowledged the newest {what}"));
            } else if standing.told.get(*name).is_some_and(|told| told != version) {
                sentences.push(format!("this proxy was not sent the newest {what} yet"));
            }
        }
        sentences
    }
}
