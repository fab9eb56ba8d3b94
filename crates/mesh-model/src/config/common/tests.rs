use super::{ExportScope, ExportTo, Pattern, Percent};

#[test]
fn percent_is_counted_in_millionths() {
    for (percent, millionths) in
        [(0.0, 0), (0.0001, 1), (0.29, 2_900), (33.3, 333_000), (99.99, 999_900), (100.0, 1_000_000)]
    {
        assert_eq!(Percent::parse(percent).unwrap().millionths(), millionths, "{percent}");
    }
    assert_eq!(Percent::parse(100.0).unwrap(), Percent::ALL);
    assert_eq!(Percent::parse(0.5).unwrap().to_string(), "0.5%");
    for bad in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
        assert!(Percent::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn patterns_are_of_the_grammar() {
    assert!(Pattern::parse("^/v[0-9]+/.*$").is_ok());
    assert!(Pattern::parse(&"a".repeat(1024)).is_ok());
    for bad in ["", "(", "(?!a)", &"a".repeat(1025)] {
        assert!(Pattern::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn export_reaches_whom_it_names() {
    let to = |scope| ExportTo(vec![scope]);
    assert!(to(ExportScope::All).reaches("a", "b"));
    assert!(to(ExportScope::Own).reaches("a", "a"));
    assert!(!to(ExportScope::Own).reaches("a", "b"));
    assert!(!to(ExportScope::Nobody).reaches("a", "a"));
    assert!(to(ExportScope::Namespace("b".into())).reaches("a", "b"));
}
