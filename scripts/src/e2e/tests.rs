use std::path::Path;

use super::{E2e, JOURNEYS, OF_THE_CONTROL_PLANE, OF_THE_MESH, lack_for_kind, nextest_filter};

#[test]
fn promises_are_chosen_by_their_files() {
    assert_eq!(nextest_filter(&[]), "package(e2e)");
    assert_eq!(nextest_filter(&["a", "b"]), "package(e2e) and (binary(=a) or binary(=b))");
}

#[test]
fn journeys_are_a_choice_of_their_own() {
    let asked = |what: &str| E2e { what: Some(what.to_owned()), ..E2e::default() };
    assert_eq!(asked("journeys").choice(), (JOURNEYS, None));
    assert_eq!(asked("journey_3").choice(), (&[][..], Some("journey_3")));
    assert_eq!(E2e::by_envoy().choice(), (OF_THE_CONTROL_PLANE, None));
}

/// A file that was renamed would drop out of the choice without a word.
#[test]
fn every_chosen_file_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/tests");
    for file in OF_THE_MESH.iter().chain(OF_THE_CONTROL_PLANE).chain(JOURNEYS) {
        let paths = [tests.join(file).with_extension("rs"), tests.join(file).join("main.rs")];
        assert!(paths.iter().any(|path| path.is_file()), "e2e/tests has no {file}");
    }
}

#[test]
fn what_kind_lacks_is_said() {
    assert_eq!(lack_for_kind(|_| false), "a cluster of kind needs docker and kind, not found in PATH");
    assert_eq!(lack_for_kind(|program| program == "docker"), "a cluster of kind needs kind, not found in PATH");
    assert!(lack_for_kind(|_| true).contains("--cluster current"));
}
