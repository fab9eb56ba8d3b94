use super::*;

fn read(name: &str) -> Option<String> {
    let pairs = [
        ("EMPTY", ""),
        ("YES", "TRUE"),
        ("NO", "1"),
        ("COUNT", "7"),
        ("BAD", "seven"),
        ("SERVICES_DOMAIN", "shop.svc"),
        ("RATINGS_HOSTNAME", "stars"),
        ("RATINGS_SERVICE_PORT", "80"),
        ("DETAILS_SERVICE_PORT", "99999"),
    ];
    pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn reads_values_and_defaults() {
    let mut env = Env::new(&read);
    assert_eq!(env.text("EMPTY", "fallback"), "fallback");
    assert!(env.flag("YES"));
    assert!(!env.flag("NO"));
    assert_eq!(env.number("COUNT", 1), 7);
    assert_eq!(env.number("ABSENT", 1), 1);
    assert_eq!(env.service("ratings"), "http://stars.shop.svc:80");
    assert_eq!(env.service("reviews"), "http://reviews.shop.svc:9080");
    assert_eq!(env.finish(5), Ok(5));
}

#[test]
fn reports_all_errors_at_once() {
    let mut env = Env::new(&read);
    env.number::<u8>("BAD", 0);
    env.service("details");
    let text = env.finish(()).unwrap_err().to_string();
    assert!(text.contains(r#"BAD="seven" is not a number"#), "{text}");
    assert!(text.contains("DETAILS_SERVICE_PORT=\"99999\""), "{text}");
}
