use super::{Peers, peer_identity};

#[test]
fn peers_are_told_apart() {
    let id = |text: &str| text.parse().unwrap();
    let (ours, theirs) = (id("spiffe://a/ns/n/sa/s"), id("spiffe://b/ns/n/sa/s"));
    let table = [
        (Peers::domain("a"), true, false),
        (Peers::Domains(vec!["a".to_owned(), "b".to_owned()]), true, true),
        (Peers::Only(vec![id("spiffe://b/ns/n/sa/s")]), false, true),
        (Peers::Only(Vec::new()), false, false),
    ];
    for (peers, first, second) in table {
        assert_eq!((peers.contain(&ours), peers.contain(&theirs)), (first, second), "{peers:?}");
    }
    assert_eq!(peer_identity([]), None);
}
