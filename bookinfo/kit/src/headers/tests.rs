use super::*;

#[test]
fn copies_only_the_listed_headers_with_all_their_values() {
    let mut incoming = HeaderMap::new();
    for name in FORWARDED {
        incoming.append(name, name.parse().unwrap());
    }
    incoming.append("cookie", "second=1".parse().unwrap());
    for name in ["host", "content-length", "connection", "accept", "x-forwarded-for"] {
        incoming.append(name, "no".parse().unwrap());
    }

    let outgoing = forward(&incoming);

    assert_eq!(outgoing.len(), FORWARDED.len() + 1);
    for name in FORWARDED {
        assert_eq!(outgoing[name], name);
    }
    assert_eq!(outgoing.get_all("cookie").iter().collect::<Vec<_>>(), ["cookie", "second=1"]);
}
