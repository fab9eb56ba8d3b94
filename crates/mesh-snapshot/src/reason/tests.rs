use std::collections::BTreeSet;

use super::*;

fn by(object: &str, field: &str) -> Provenance {
    Provenance { config: None, object: Some(object.into()), field: Some(field.into()) }
}

/// The page holds the table: whoever changes one is shown the other.
#[test]
fn the_page_says_what_the_table_says() {
    let page = include_str!("../../../../docs/reasons.md");
    let row = |reason: &Reason| {
        let flag = if reason.flag() == "-" { "" } else { reason.flag() };
        format!("| `{}` | {flag} | {} | {} |", reason.code(), reason.meaning(), reason.way_out())
    };
    let table: Vec<String> = Reason::ALL.iter().map(row).collect();
    let from = page.lines().skip_while(|line| !line.starts_with("| code |")).skip(2);
    let there: Vec<&str> = from.take_while(|line| line.starts_with('|')).collect();
    assert!(there == table, "docs/reasons.md should hold\n{}\n", table.join("\n"));
}

#[test]
fn codes_are_words_and_each_is_there_once() {
    let codes: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes.len(), Reason::ALL.len());
    assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')), "{codes:?}");
}

#[test]
fn the_object_is_that_of_whoever_decides() {
    let (listener, host, route, cluster) = (
        by("Gateway/a/g", "spec.servers[0]"),
        by("VirtualService/a/v", ""),
        by("VirtualService/a/v", "spec.http[1]"),
        by("DestinationRule/a/d", "spec.subsets[0]"),
    );
    let all =
        Deciders { listener: Some(&listener), virtual_host: Some(&host), route: Some(&route), cluster: Some(&cluster) };
    assert_eq!(Reason::NoFilterChain.decided_by(&all), listener);
    assert_eq!(Reason::NoRoute.decided_by(&all), host);
    assert_eq!(Reason::FaultAbort.decided_by(&all), route);
    assert_eq!(Reason::Overflow.decided_by(&all), cluster);
    assert_eq!(Reason::OwnPort.decided_by(&all), Provenance::default());
    // A route without an object is its virtual host's; a cluster is nobody's but its own.
    let nameless = Provenance::default();
    assert_eq!(Reason::FaultAbort.decided_by(&Deciders { route: Some(&nameless), ..all }), host);
    assert_eq!(Reason::Overflow.decided_by(&Deciders { cluster: Some(&nameless), ..all }), nameless);
}

#[test]
fn a_refusal_is_told_in_a_sentence_and_in_fields() {
    let refusal = Refusal {
        reason: Reason::BlackHole,
        host: "google.com".into(),
        decided: by("Sidecar/shop/default", "spec.outboundTrafficPolicy"),
        explain: Some("lateenctl explain a.shop GET tls://google.com:443".into()),
    };
    assert_eq!(
        refusal.to_string(),
        "BLACKHOLE google.com: nobody in this workload's scope has the destination, and the outbound policy is \
         REGISTRY_ONLY (Sidecar shop/default spec.outboundTrafficPolicy)"
    );
    let fields = refusal.fields();
    let keys: Vec<&str> = fields.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["reason", "host", "object", "hint", "try"]);
    assert_eq!(fields[2].1, "Sidecar shop/default spec.outboundTrafficPolicy");
    let bare = Refusal { decided: Provenance::default(), explain: None, ..refusal };
    assert_eq!(bare.fields().len(), 3);
}

#[test]
fn a_shell_runs_nothing_that_stands_in_a_host() {
    assert_eq!(shell_word("http://reviews:9080/reviews/0"), "http://reviews:9080/reviews/0");
    assert_eq!(shell_word("http://a/?b&c"), "'http://a/?b&c'");
    assert_eq!(shell_word("http://$(reboot)';x"), "'http://$(reboot)'\\'';x'");
    assert_eq!(shell_word(""), "''");
}
