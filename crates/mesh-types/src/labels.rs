//! Labels, and what selects by them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Labels of a workload, or a selector: the same words, asked in two ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

impl Labels {
    /// The value under a key.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Whether these labels, as a selector, choose `workload`: each of them stands there. An empty selector chooses all.
    pub fn selects(&self, workload: &Self) -> bool {
        self.0.iter().all(|(key, value)| workload.value(key) == Some(value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}
