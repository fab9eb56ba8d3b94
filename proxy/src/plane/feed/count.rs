//! What came of updates, by Envoy's names.

use std::sync::Arc;

use mesh_snapshot::Kind;

use crate::plane::{
    Stats,
    stats::{Counter, ServerStats},
};

/// Counts updates.
///
/// Successes are counted from the first snapshot on: who reads the statistics takes them for readiness.
#[derive(Debug)]
pub(super) struct Counts {
    stats: Arc<Stats>,
    owed: Vec<Kind>,
    is_published: bool,
    is_connected: bool,
}

impl Counts {
    pub(super) fn new(stats: Arc<Stats>) -> Self {
        Self { stats, owed: Vec::new(), is_published: false, is_connected: false }
    }

    pub(super) fn connected(&mut self, is_connected: bool) {
        if is_connected != self.is_connected {
            self.stats.server.control_plane_connected_state.add(if is_connected { 1 } else { -1 });
            self.is_connected = is_connected;
        }
    }

    /// An update that offered so many resources, of which so many were refused. One of which a part was taken is both.
    pub(super) fn update(&mut self, kind: Kind, offered: usize, refused: usize) {
        let (success, rejected) = counters(&self.stats.server, kind);
        if refused > 0 {
            rejected.inc();
        }
        if refused > 0 && refused == offered {
            return;
        }
        if self.is_published {
            success.inc();
        } else if !self.owed.contains(&kind) {
            self.owed.push(kind);
        }
    }

    /// A snapshot was published.
    pub(super) fn published(&mut self) {
        self.is_published = true;
        for kind in std::mem::take(&mut self.owed) {
            counters(&self.stats.server, kind).0.inc();
        }
    }
}

fn counters(stats: &ServerStats, kind: Kind) -> (&Counter, &Counter) {
    match kind {
        Kind::Cluster => (&stats.cds_update_success, &stats.cds_update_rejected),
        Kind::Listener => (&stats.lds_update_success, &stats.lds_update_rejected),
        Kind::Route => (&stats.rds_update_success, &stats.rds_update_rejected),
        Kind::Endpoints => (&stats.eds_update_success, &stats.eds_update_rejected),
        Kind::Secret => (&stats.sds_update_success, &stats.sds_update_rejected),
    }
}
