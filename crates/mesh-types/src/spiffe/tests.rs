use super::*;

#[test]
fn only_the_full_form_is_an_identity() {
    let text = "spiffe://cluster.local/ns/default/sa/bookinfo-reviews";
    assert_eq!(text.parse::<SpiffeId>().unwrap().to_string(), text);
    for bad in [
        "spiffe://cluster.local/ns/default",
        "spiffe://cluster.local/ns//sa/x",
        "spiffe://cluster.local/ns/a/sa/b/c",
        "https://cluster.local/ns/a/sa/b",
        "spiffe://cluster.local/ns/a b/sa/c",
    ] {
        assert!(bad.parse::<SpiffeId>().is_err(), "{bad}");
    }
}
