use std::collections::BTreeSet;

use super::*;

/// The rooms whose import inside one layer is allowed: (importer, imported).
const INSIDE: &[(&str, &str)] = &[
    ("mesh-translate", "mesh-model"),
    ("mesh-xds", "mesh-tls"),
    ("mesh-identity", "mesh-tls"),
    ("mesh-kube", "mesh-tls"),
];

fn member(name: &str, normal: &[&str], tree: &[&str]) -> Member {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
    Member {
        name: name.to_owned(),
        manifest: format!("{name}/Cargo.toml"),
        normal: set(normal),
        dev: set(&[]),
        tree: set(tree),
    }
}

fn whats(members: &[Member]) -> Vec<String> {
    check(members).into_iter().map(|f| f.what).collect()
}

#[test]
fn the_table_obeys_its_own_law() {
    for room in ROOMS {
        for import in room.may {
            let imported = ROOMS.iter().find(|r| r.name == *import).expect(import);
            let inside = INSIDE.contains(&(room.name, *import));
            assert!(imported.layer < room.layer || inside, "{} may not import {import}", room.name);
            assert!(imported.layer < 4 && *import != "mesh-testkit", "{} imports a program or tool", room.name);
            assert!(!room.never.contains(import), "{} may and must never import {import}", room.name);
        }
    }
}

#[test]
fn no_room_may_reach_what_it_must_never_hold() {
    for room in ROOMS {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&str> = room.may.to_vec();
        while let Some(name) = open.pop() {
            if seen.insert(name) {
                open.extend(ROOMS.iter().filter(|r| r.name == name).flat_map(|r| r.may));
            }
        }
        for never in room.never {
            assert!(!seen.contains(never), "{} may reach {never}", room.name);
        }
    }
}

#[test]
fn imports_within_the_table_pass() {
    assert_eq!(whats(&[member("kit", &["axum"], &[]), member("details", &["kit", "axum"], &["kit", "axum"])]), [""; 0]);
}

#[test]
fn a_room_outside_the_table_is_found() {
    assert_eq!(whats(&[member("lobby", &[], &[])]), ["package `lobby` is not in the layer table"]);
}

#[test]
fn an_import_that_the_table_does_not_list_is_found() {
    let members = [member("localkube", &[], &[]), member("kit", &["localkube"], &["localkube"])];
    assert_eq!(whats(&members), ["`kit` must not import `localkube`"]);
}

#[test]
fn what_a_test_imports_is_held_to_the_table_too() {
    let mut details = member("details", &[], &[]);
    details.dev.insert("localkube".to_owned());
    assert_eq!(whats(&[details, member("localkube", &[], &[])]), ["tests of `details` must not import `localkube`"]);
}

#[test]
fn kube_behind_pilots_wall_is_found_however_deep() {
    assert_eq!(whats(&[member("pilot", &[], &["kube"])]), ["`kube` is in the tree of `pilot`, behind a wall"]);
}

#[test]
fn a_runtime_in_a_pure_room_is_found() {
    assert_eq!(whats(&[member("mesh-model", &["tokio"], &["tokio"])]), ["`mesh-model` is pure and names `tokio`"]);
}
