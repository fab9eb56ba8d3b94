use super::*;

fn table() -> Names {
    let info = |ips: &[&str], registry: &str, shortname: &str, namespace: &str| NameInfo {
        ips: ips.iter().map(|ip| (*ip).to_owned()).collect(),
        registry: registry.to_owned(),
        shortname: shortname.to_owned(),
        namespace: namespace.to_owned(),
    };
    let rows = [
        ("web.shop.svc.cluster.local", info(&["10.96.0.1"], "Kubernetes", "web", "shop")),
        ("web.other.svc.cluster.local", info(&["10.96.0.2"], "Kubernetes", "web", "other")),
        ("db-0.db.shop.svc.cluster.local", info(&["10.1.0.1"], "Kubernetes", "db-0.db", "shop")),
        ("far.shop.svc.far.cluster", info(&["10.99.0.1"], "Kubernetes", "far", "shop")),
        ("Api.Example.org", info(&["240.240.0.1", "2001:2::1"], "External", "", "")),
        ("*.example.net", info(&["240.240.0.2"], "External", "", "")),
        ("*.deep.example.net", info(&["240.240.0.3"], "External", "", "")),
        // An entry that has the short name of a service keeps it for itself.
        ("web.shop", info(&["240.240.0.4"], "External", "", "")),
    ];
    let table = NameTable { table: rows.into_iter().map(|(host, info)| (host.to_owned(), info)).collect() };
    let asker = Asker {
        namespace: "shop".to_owned(),
        domain: "shop.svc.cluster.local".to_owned(),
        search: Some("shop.svc.cluster.local".to_owned()),
    };
    Names::new(&table, &asker)
}

#[test]
fn names_and_what_is_known_of_them() {
    let cases = [
        ("web.shop.svc.cluster.local", "10.96.0.1"),
        ("web.shop.svc", "10.96.0.1"),
        ("web", "10.96.0.1"),
        ("web.shop", "240.240.0.4"),
        ("web.other", "10.96.0.2"),
        ("web.other.svc", "10.96.0.2"),
        ("db-0.db", "10.1.0.1"),
        ("db-0.db.shop.svc.cluster.local", "10.1.0.1"),
        ("far.shop.svc.far.cluster", "10.99.0.1"),
        ("far", "-"),
        ("far.shop", "-"),
        ("api.example.org", "240.240.0.1 2001:2::1"),
        // Completed by the search domain.
        ("api.example.org.shop.svc.cluster.local", "api.example.org: 240.240.0.1 2001:2::1"),
        ("web.other.shop.svc.cluster.local", "web.other: 10.96.0.2"),
        ("a.example.net.shop.svc.cluster.local", "a.example.net: 240.240.0.2"),
        ("api.example.org.svc.cluster.local", "-"),
        // Wildcards: the nearest counts, and the domain itself is none of its names.
        ("a.example.net", "240.240.0.2"),
        ("a.b.example.net", "240.240.0.2"),
        ("a.deep.example.net", "240.240.0.3"),
        ("example.net", "-"),
        ("unknown.org", "-"),
        ("nothing.shop.svc.cluster.local", "-"),
        ("", "-"),
    ];
    let table = table();
    for (name, expected) in cases {
        let found = table.find(name).map_or("-".to_owned(), |known| {
            let ips: Vec<String> = known.addresses.iter().map(ToString::to_string).collect();
            let alias = known.alias.map(|alias| format!("{alias}: ")).unwrap_or_default();
            format!("{alias}{}", ips.join(" "))
        });
        assert_eq!(found, expected, "{name}");
    }
}
