use super::*;

fn regex(text: &str) -> pb::RegexMatcher {
    pb::RegexMatcher { regex: text.into(), ..Default::default() }
}

#[test]
fn an_expression_matches_whole_texts() {
    let cases = [
        ("a|b", "a", true),
        ("a|b", "ab", false),
        (r"/v\d+", "/v12", true),
        (r"/v\d+", "/v١", false),
        (".*", "é", true),
        ("(?i)abc", "ABC", true),
        (r"\pL+", "é", true),
        ("a$", "a\n", false),
    ];
    for (pattern, text, matches) in cases {
        let compiled = Pattern::parse(regex(pattern)).unwrap();
        assert_eq!(compiled.is_match(text.as_bytes()), matches, "{pattern} on {text}");
    }
}

#[test]
fn what_is_no_expression_is_refused() {
    for pattern in ["(", "a)(b", "(?=a)", "a{1000}{1000}{1000}", "(?x)a #"] {
        let found = Pattern::parse(regex(pattern)).map(|_| ()).unwrap_err();
        assert_eq!(found.path(), "regex", "{pattern}");
    }
}

#[test]
fn a_substitution_names_groups() {
    let cases = [
        (r"^/service/([^/]+)(/.*)$", r"\2/instance/\1", "/service/foo/v1/api", "/v1/api/instance/foo"),
        ("one", "two", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz"),
        ("a", "$1", "a", "$1"),
        ("a", r"\\", "a", "\\"),
    ];
    for (pattern, by, text, wanted) in cases {
        let message = pb::RegexMatchAndSubstitute { pattern: Some(regex(pattern)), substitution: by.into() };
        assert_eq!(Substitution::parse(message).unwrap().apply(text), wanted);
    }
    let missing = pb::RegexMatchAndSubstitute { pattern: Some(regex("(a)")), substitution: r"\2".into() };
    assert_eq!(Substitution::parse(missing).unwrap_err().path(), "substitution");
}

#[test]
fn texts_are_tested_in_each_shape() {
    use pb::string_matcher::MatchPattern as M;
    let cases = [
        (M::Exact("Ab".into()), false, "Ab", true),
        (M::Exact("Ab".into()), false, "ab", false),
        (M::Exact("Ab".into()), true, "aB", true),
        (M::Prefix("ab".into()), false, "abc", true),
        (M::Prefix("AB".into()), true, "abc", true),
        (M::Suffix("bc".into()), false, "abc", true),
        (M::Contains("b".into()), false, "abc", true),
        (M::Contains("".into()), false, "", true),
        (M::Contains("d".into()), false, "abc", false),
        (M::SafeRegex(regex("a.c")), false, "abc", true),
    ];
    for (pattern, ignore_case, text, wanted) in cases {
        let test = TextTest::parse(pb::StringMatcher { ignore_case, match_pattern: Some(pattern.clone()) }).unwrap();
        assert_eq!(test.is_match(text.as_bytes()), wanted, "{pattern:?} on {text}");
    }
}
