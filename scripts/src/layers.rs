//! The law of imports: which room may import which, and what it must never hold.
//!
//! A room may import only rooms of lower layers, but for three pairs that the tests name. Rooms are listed before they
//! are built, so that their first line is already written under the law.

use crate::{
    metadata::Member,
    tidy::{Finding, finding},
};

/// One room (crate) of the house.
pub(crate) struct Room {
    pub(crate) name: &'static str,
    /// 0 words, 1 contracts, 2 pure, 3 IO, 4 programs, 5 tools that nobody imports.
    pub(crate) layer: u8,
    /// Rooms that it may import.
    pub(crate) may: &'static [&'static str],
    /// Rooms that only its tests may import as well.
    pub(crate) tests_may: &'static [&'static str],
    /// Packages that must be nowhere in its tree.
    pub(crate) never: &'static [&'static str],
}

/// What no pure room (layer 2 and below) names among its direct dependencies: runtimes and transports.
const IMPURE: &[&str] = &["axum", "hyper", "hyper-util", "kube", "reqwest", "tokio", "tokio-util", "tonic"];

/// Kubernetes clients: they end at galley, ca and ctl.
const KUBE: &[&str] = &["kube", "kube-client", "kube-core", "kube-runtime"];

const fn room(name: &'static str, layer: u8, may: &'static [&'static str]) -> Room {
    Room { name, layer, may, tests_may: &[], never: &[] }
}

/// The table.
#[rustfmt::skip]
pub(crate) const ROOMS: &[Room] = &[
    room("mesh-types", 0, &[]),
    room("istio-api", 1, &[]),
    room("mesh-proto", 1, &[]),
    Room { never: KUBE, ..room("mesh-model", 2, &["mesh-types", "istio-api", "mesh-proto"]) },
    Room {
        tests_may: &["mesh-snapshot"],
        never: &["kube", "mesh-snapshot"],
        ..room("mesh-translate", 2, &["mesh-types", "istio-api", "mesh-model", "mesh-proto"])
    },
    Room {
        never: &["kube", "mesh-model", "mesh-translate", "istio-api"],
        ..room("mesh-snapshot", 2, &["mesh-types", "mesh-proto"])
    },
    room("mesh-pki", 2, &["mesh-types"]),
    room("injector", 2, &["mesh-types", "istio-api"]),
    room("deployer", 2, &["istio-api"]),
    Room { never: &["kube", "mesh-model", "mesh-snapshot"], ..room("mesh-xds", 3, &["mesh-types", "mesh-proto", "mesh-tls"]) },
    Room { never: KUBE, ..room("mesh-tls", 3, &["mesh-types", "mesh-pki"]) },
    Room { never: &["mesh-model", "mesh-xds"], ..room("mesh-kube", 3, &["mesh-types", "istio-api", "mesh-pki", "mesh-tls"]) },
    Room { never: KUBE, ..room("mesh-identity", 3, &["mesh-types", "mesh-proto", "mesh-pki", "mesh-tls"]) },
    Room { never: KUBE, ..room("mesh-bootstrap", 3, &["mesh-types"]) },
    room("mesh-testkit", 3, &["mesh-types", "istio-api", "mesh-proto", "mesh-model", "mesh-translate", "mesh-snapshot", "mesh-pki"]),
    Room {
        never: &["mesh-translate", "mesh-snapshot"],
        ..room("galley", 4, &["mesh-types", "istio-api", "mesh-proto", "mesh-model", "injector", "deployer", "mesh-pki", "mesh-xds", "mesh-tls", "mesh-identity", "mesh-kube", "mesh-bootstrap"])
    },
    Room {
        tests_may: &["mesh-snapshot"],
        never: &["kube", "kube-client", "kube-core", "kube-runtime", "mesh-snapshot"],
        ..room("pilot", 4, &["mesh-types", "istio-api", "mesh-proto", "mesh-model", "mesh-translate", "mesh-pki", "mesh-xds", "mesh-tls", "mesh-identity", "mesh-bootstrap"])
    },
    Room {
        never: &["mesh-model", "mesh-snapshot", "mesh-translate"],
        ..room("ca", 4, &["mesh-types", "mesh-proto", "mesh-pki", "mesh-xds", "mesh-tls", "mesh-kube", "mesh-bootstrap"])
    },
    Room {
        never: &["kube", "kube-client", "kube-core", "kube-runtime", "mesh-model", "mesh-translate", "istio-api"],
        ..room("proxy", 4, &["mesh-types", "mesh-proto", "mesh-snapshot", "mesh-pki", "mesh-xds", "mesh-tls", "mesh-identity", "mesh-bootstrap"])
    },
    Room { never: KUBE, ..room("init", 4, &["mesh-types"]) },
    room("ctl", 4, &["mesh-types", "istio-api", "mesh-proto", "mesh-model", "mesh-translate", "mesh-snapshot", "mesh-pki", "injector", "mesh-xds", "mesh-tls", "mesh-identity", "mesh-kube", "mesh-bootstrap"]),
    // The sample is any mesh's sample: it knows nothing of ours.
    room("kit", 3, &[]),
    room("details", 4, &["kit"]),
    Room { tests_may: &["details", "ratings", "reviews"], ..room("productpage", 4, &["kit"]) },
    room("ratings", 4, &["kit"]),
    room("reviews", 4, &["kit"]),
    room("localkube", 5, &[]),
    room("e2e", 5, &["mesh-types", "istio-api", "mesh-kube"]),
    room("fuzz", 5, &["mesh-types", "mesh-model", "mesh-proto", "mesh-translate", "mesh-snapshot"]),
    room("xtask", 5, &[]),
];

/// Holds the members against the table.
pub(crate) fn check(members: &[Member]) -> Vec<Finding> {
    members.iter().flat_map(|member| check_member(member, members)).collect()
}

fn check_member(member: &Member, members: &[Member]) -> Vec<Finding> {
    let Some(room) = ROOMS.iter().find(|r| r.name == member.name) else {
        return vec![finding(
            &member.manifest,
            0,
            format!("package `{}` is not in the layer table", member.name),
            "give it a row in scripts/src/layers.rs, or a name that is there",
        )];
    };
    let ours = |name: &&String| members.iter().any(|m| m.name == **name);
    let mut found = Vec::new();
    let mut say = |what: String, way_out: &str| found.push(finding(&member.manifest, 0, what, way_out));
    for import in member.normal.iter().filter(ours).filter(|i| !room.may.contains(&i.as_str())) {
        say(
            format!("`{}` must not import `{import}`", room.name),
            "move the code to a room that may, see scripts/src/layers.rs",
        );
    }
    for import in member.dev.iter().filter(ours) {
        let allowed = room.may.iter().chain(room.tests_may).any(|m| m == import) || import == "mesh-testkit";
        if !allowed {
            say(format!("tests of `{}` must not import `{import}`", room.name), "test through the room's own door");
        }
    }
    for wall in room.never.iter().filter(|n| member.tree.contains(**n)) {
        say(
            format!("`{wall}` is in the tree of `{}`, behind a wall", room.name),
            &format!("`cargo tree -p {} -i {wall}` shows the way that it came; cut it", room.name),
        );
    }
    if room.layer <= 2 {
        for import in IMPURE.iter().filter(|i| member.normal.contains(**i)) {
            say(format!("`{}` is pure and names `{import}`", room.name), "pass time, randomness and IO in as values");
        }
    }
    found
}

#[cfg(test)]
mod tests;
