use std::path::Path;

use xshell::Shell;

use super::{E2e, JOURNEYS, OF_THE_CONTROL_PLANE, OF_THE_MESH, kind, nextest_filter};

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
    assert_eq!(kind::lack(|_| false).as_deref(), Some("a cluster of kind needs docker and kind, not found in PATH"));
    let without_kind = kind::lack(|program| program == "docker");
    assert_eq!(without_kind.as_deref(), Some("a cluster of kind needs kind, not found in PATH"));
    assert_eq!(kind::lack(|_| true), None);
}

#[test]
fn images_without_a_base_are_not_enough_for_kind() {
    let sh = Shell::new().unwrap();
    let folder = sh.create_temp_dir().unwrap();
    std::fs::write(folder.path().join("pilot.tar"), "").unwrap();
    let refused = kind::archives(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("init.tar") && refused.contains("--base"), "{refused}");
    for name in ["init.tar", "load.tar", "echo.tar", "notes.txt"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let names: Vec<_> = kind::archives(folder.path()).unwrap();
    let names: Vec<_> = names.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, ["echo.tar", "init.tar", "load.tar", "pilot.tar"]);
}
