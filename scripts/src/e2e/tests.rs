use std::path::Path;

use super::{OF_THE_CONTROL_PLANE, OF_THE_MESH, lack_for_kind, nextest_filter};

#[test]
fn promises_are_chosen_by_their_files() {
    assert_eq!(nextest_filter(&[]), "package(e2e)");
    assert_eq!(nextest_filter(&["a", "b"]), "package(e2e) and (binary(=a) or binary(=b))");
}

/// A file that was renamed would drop out of the choice without a word.
#[test]
fn every_chosen_file_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/tests");
    for file in OF_THE_MESH.iter().chain(OF_THE_CONTROL_PLANE) {
        assert!(tests.join(file).with_extension("rs").is_file(), "e2e/tests/{file}.rs is not there");
    }
}

#[test]
fn what_kind_lacks_is_said() {
    assert_eq!(lack_for_kind(|_| false), "a cluster of kind needs docker and kind, not found in PATH");
    assert_eq!(lack_for_kind(|program| program == "docker"), "a cluster of kind needs kind, not found in PATH");
    assert!(lack_for_kind(|_| true).contains("--cluster current"));
}
