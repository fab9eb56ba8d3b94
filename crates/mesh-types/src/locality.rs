//! Where a workload runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Region, zone and sub-zone; an empty part is unknown.
///
/// From node labels `topology.kubernetes.io/region`, `topology.kubernetes.io/zone`, `topology.istio.io/subzone`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Locality {
    /// Such as `eu-west-1`.
    pub region: String,
    /// Such as `eu-west-1a`.
    pub zone: String,
    /// Such as a rack.
    pub sub_zone: String,
}

impl Locality {
    /// Reads `region/zone/subzone`; parts that are missing are empty.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Self { region: next(), zone: next(), sub_zone: next() }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.region.is_empty() && self.zone.is_empty() && self.sub_zone.is_empty()
    }
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.region, &self.zone, &self.sub_zone];
        let known = parts.iter().rposition(|p| !p.is_empty()).map_or(0, |last| last + 1);
        for (index, part) in parts.iter().take(known).enumerate() {
            write!(f, "{}{part}", if index == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}
