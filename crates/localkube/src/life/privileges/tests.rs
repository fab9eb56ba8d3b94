use super::*;

#[test]
fn subordinate_ids_are_summed_by_name_and_by_number() {
    let text = "ann:100000:65536\nbob:165536:1000\n1001:200000:64536\n";
    assert_eq!(subordinate_ids(text, "ann", 1000), 65_536);
    assert_eq!(subordinate_ids(text, "bob", 1001), 65_536);
    assert_eq!(subordinate_ids(text, "eve", 1002), 0);
}

#[test]
fn a_single_mapped_id_is_refused_with_the_reason() {
    let error = check_id_map("         0       1000          1\n").expect_err("one id is too few");
    assert!(error.to_string().contains("uid 1337"), "{error}");
    assert!(check_id_map("0 1000 1\n1 100000 65536\n").is_ok());
    assert!(check_id_map("         0          0 4294967295\n").is_ok());
    assert!(is_whole_machine("         0          0 4294967295\n"));
}
