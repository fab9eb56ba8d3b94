use super::*;

fn host(text: &str) -> Hostname {
    Hostname::parse(text).unwrap()
}

#[test]
fn names_are_lowered_and_wildcards_lead() {
    assert_eq!(host("Reviews.Default.").as_str(), "reviews.default");
    for good in ["*", "*.example.org", "a", "a_b.c", "*-x.example.org"] {
        assert_eq!(host(good).as_str(), good);
    }
    for bad in ["", "a..b", "a.*.b", "a/b", "a b", "**"] {
        assert!(Hostname::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_wildcard_holds_longer_names_only() {
    for (wide, narrow, holds) in [
        ("*", "a.b", true),
        ("*", "*", true),
        ("*.b", "a.b", true),
        ("*.b", "b", false),
        ("*.b", "*.a.b", true),
        ("*.a.b", "*.b", false),
        ("a.b", "a.b", true),
        ("a.b", "*.b", false),
    ] {
        assert_eq!(host(wide).contains(&host(narrow)), holds, "{wide} {narrow}");
    }
}

#[test]
fn the_most_specific_name_comes_first() {
    let mut names = ["*", "*.b", "*.a.b", "z.a.b", "a.b"].map(host);
    names.sort_by(Hostname::specificity);
    assert_eq!(names.map(|n| n.to_string()), ["z.a.b", "a.b", "*.a.b", "*.b", "*"]);
}
