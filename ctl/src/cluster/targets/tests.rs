use super::*;

#[test]
fn names_say_kind_and_namespace() {
    let pod = |name: &str, namespace: &str| PodName { name: name.to_owned(), namespace: namespace.to_owned() };
    let parse = |text| Target::parse(text, "here").unwrap();
    assert_eq!(parse("web-1"), Target::Pod(pod("web-1", "here")));
    assert_eq!(parse("web-1.shop"), Target::Pod(pod("web-1", "shop")));
    assert_eq!(parse("deploy/web.shop"), Target::Deployment(pod("web", "shop")));
    assert_eq!(parse("deployment/web"), Target::Deployment(pod("web", "here")));
    assert!(Target::parse("svc/web", "here").is_err());
}
