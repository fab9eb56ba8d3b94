use super::*;

#[test]
fn grammars_admit_and_refuse() {
    type Grammar = fn(&str) -> Faults;
    let cases: &[(Grammar, &[&str], &[&str])] = &[
        (label, &["a", "a-b", "1a"], &["", "A", "a.b", "-a", "a-", "a_b"]),
        (subdomain, &["a.b", "a-b.c1"], &["a..b", ".a", "a.", "a.B", "a_b"]),
        (dns_1035, &["a1"], &["1a", "a.b"]),
        (path_segment, &["system:node", "A b"], &[".", "a/b", "50%"]),
        (qualified, &["a", "a.b/C_d", "A.b-c"], &["", "/a", "a/", "a/b/c", "A/b", "-a", "a b"]),
        (label_value, &["", "a", "A_b.c"], &["-a", "a b", "a/b"]),
        (config_key, &["a.b", ".a", "A_-"], &["", ".", "..", "..a", "a/b"]),
        (env_name, &["A", "a.b-c", "9"], &["", "a=b", "a\tb"]),
        (port_name, &["http", "http-2"], &["", "80", "a--b", "-a", "HTTP", "a234567890123456"]),
    ];
    for (grammar, good, bad) in cases {
        good.iter().for_each(|text| assert_eq!(grammar(text), Faults::new(), "{text:?}"));
        bad.iter().for_each(|text| assert_ne!(grammar(text), Faults::new(), "{text:?}"));
    }
}

#[test]
fn long_names_say_how_long_they_may_be() {
    assert_eq!(label(&"a".repeat(64)), ["must be no more than 63 characters"]);
    assert_eq!(subdomain(&"a".repeat(254)), ["must be no more than 253 characters"]);
}
