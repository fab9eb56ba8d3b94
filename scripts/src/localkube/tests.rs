use super::*;

#[test]
fn the_number_of_pods_is_read_from_the_status() {
    let status = "nodes       2 of 2 ready\npods        3 of 7 ready\n";
    assert_eq!(pods(status), Some(Pods { ready: 3, all: 7 }));
    assert_eq!(pods("pods        unknown\n"), None);
    assert_eq!(pods(""), None);
}

#[test]
fn only_instances_of_dead_tasks_are_orphans() {
    let names = ["e2e-1", "e2e-2", "e2e-mine", "demo"].map(str::to_owned).into_iter();
    assert_eq!(orphans(names, "e2e-", |pid| pid == "1"), ["e2e-2"]);
}
