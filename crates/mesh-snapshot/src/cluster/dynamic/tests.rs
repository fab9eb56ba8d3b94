use super::*;

fn dynamic(inside: &[&str]) -> Dynamic {
    Dynamic {
        suffix: ".example.org".into(),
        port: 443,
        family: DnsFamily::V4,
        refresh: Duration::from_secs(60),
        most: 1024,
        inside: inside.iter().map(|net| net.parse().unwrap()).collect(),
    }
}

#[test]
fn names_of_the_domain_and_no_others() {
    let long = format!("{}.example.org", "a".repeat(64));
    let cases = [
        ("a.example.org", Some("a.example.org")),
        ("A.Example.ORG.", Some("a.example.org")),
        ("a.b.example.org:8443", Some("a.b.example.org")),
        ("a_b-c.example.org", Some("a_b-c.example.org")),
        ("example.org", None),
        (".example.org", None),
        ("a..example.org", None),
        ("aexample.org", None),
        ("a.example.org.evil.net", None),
        ("evil.net", None),
        ("10.0.0.1", None),
        ("[::1]:80", None),
        ("a b.example.org", None),
        ("a/b.example.org", None),
        ("user@a.example.org", None),
        ("a:x.example.org", None),
        (&long, None),
        ("", None),
    ];
    for (asked, name) in cases {
        assert_eq!(dynamic(&[]).name(asked).as_deref(), name, "{asked}");
    }
}

#[test]
fn addresses_inside_count_as_none() {
    let dynamic = dynamic(&["127.0.0.0/8", "169.254.0.0/16"]);
    for (ip, permitted) in
        [("127.0.0.1", false), ("169.254.169.254", false), ("203.0.113.9", true), ("2001:db8::1", false)]
    {
        assert_eq!(dynamic.permits(ip.parse().unwrap()), permitted, "{ip}");
    }
}
