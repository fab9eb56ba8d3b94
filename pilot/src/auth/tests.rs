use mesh_types::SpiffeId;

use super::*;

const ID: &str = "sidecar~10.0.0.7~reviews-1.shop~shop.svc.cluster.local";

fn peer(identity: Option<&str>) -> Peer {
    Peer { address: None, identity: identity.map(|i| i.parse::<SpiffeId>().unwrap()) }
}

#[test]
fn a_certificate_is_worth_its_own_workload_only() {
    let mine = Some("spiffe://cluster.local/ns/shop/sa/reviews");
    let other = ID.replace("shop", "bank");
    let cases = [
        (mine, ID, "shop", "reviews", false, true),
        (mine, ID, "shop", "ratings", false, false),
        (mine, ID, "bank", "reviews", false, false),
        (mine, ID, "", "reviews", false, false),
        (mine, other.as_str(), "shop", "reviews", false, false),
        (mine, "reviews-1", "shop", "reviews", false, false),
        (None, ID, "shop", "reviews", false, false),
        (None, ID, "shop", "reviews", true, true),
        (mine, ID, "bank", "reviews", true, false),
    ];
    for (identity, id, namespace, account, plaintext, expected) in cases {
        let node = node(id, &BTreeMap::from([("NAMESPACE", namespace), ("SERVICE_ACCOUNT", account)]));
        let verdict = admit(&peer(identity), &node, plaintext);
        assert_eq!(verdict.is_ok(), expected, "{identity:?} {id} {namespace} {account}: {verdict:?}");
    }
}

#[test]
fn a_refusal_names_both_sides() {
    let node = node(ID, &BTreeMap::from([("NAMESPACE", "shop"), ("SERVICE_ACCOUNT", "ratings")]));
    let denied = admit(&peer(Some("spiffe://cluster.local/ns/shop/sa/reviews")), &node, false).unwrap_err();
    let text = denied.to_string();
    assert!(text.contains("`ratings`") && text.contains("sa/reviews"), "{text}");
}
