//! Random tables and requests against a matcher that is too simple to be wrong.

use proptest::prelude::*;

use super::*;

fn naive_host(domains: &[String], host: &str) -> Option<usize> {
    let host = host.to_ascii_lowercase();
    let rank = |domain: &String| {
        let domain = domain.to_ascii_lowercase();
        if domain == host {
            return Some((4, 0));
        }
        if domain == "*" {
            return Some((1, 0));
        }
        if let Some(suffix) = domain.strip_prefix('*') {
            return (host.len() > suffix.len() && host.ends_with(suffix)).then_some((3, suffix.len()));
        }
        let prefix = domain.strip_suffix('*')?;
        (host.len() > prefix.len() && host.starts_with(prefix)).then_some((2, prefix.len()))
    };
    let ranked = domains.iter().enumerate().filter_map(|(i, d)| rank(d).map(|r| (r, i)));
    ranked.max().map(|(_, i)| i)
}

fn naive_path(kind: u8, wanted: &str, path: &str) -> bool {
    match kind {
        0 => path.starts_with(wanted),
        1 => path == wanted,
        _ => path == wanted || path.starts_with(&format!("{wanted}/")),
    }
}

proptest! {
    #[test]
    fn hosts_are_found_as_a_naive_search_finds_them(
        domains in proptest::collection::btree_set("\\*?(\\.)?[ab]{1,2}(\\.[ab]{1,2})?|\\*|[ab]{1,2}\\.\\*", 1..8),
        host_name in "[abA]{1,2}(\\.[ab]{1,2}){0,2}",
    ) {
        let domains: Vec<String> = domains.into_iter().collect();
        let hosts = domains.iter().map(|d| host(d, &[d], vec![route("r", prefix("/"))])).collect();
        let table = table(hosts);
        let wanted = naive_host(&domains, &host_name).map(|i| format!("{}:r", domains[i]));
        prop_assert_eq!(found(&table, &format!("GET http://{host_name}/")), wanted);
    }

    #[test]
    fn the_first_route_that_a_naive_matcher_takes_is_the_route(
        routes in proptest::collection::vec((0..3_u8, "/([ab]/?){0,3}", proptest::option::of("[xy]")), 0..6),
        path_text in "/([ab]/?){0,4}",
        value in "[xy]",
    ) {
        use pb::route_match::PathSpecifier as P;
        let messages = routes.iter().enumerate().map(|(i, (kind, text, header_value))| {
            let specifier = match kind {
                0 => P::Prefix(text.clone()),
                1 => P::Path(text.clone()),
                _ => P::PathSeparatedPrefix(text.clone()),
            };
            let headers = header_value.iter().map(|v| {
                header("h", Some(pb::header_matcher::HeaderMatchSpecifier::StringMatch(exact(v))))
            });
            route(&i.to_string(), pb::RouteMatch { headers: headers.collect(), ..path(specifier) })
        });
        let table = table(vec![host("h", &["*"], messages.collect())]);
        let wanted = routes.iter().position(|(kind, text, header_value)| {
            naive_path(*kind, text, &path_text) && header_value.as_ref().is_none_or(|v| *v == value)
        });
        let words = format!("GET http://a{path_text} h={value}");
        prop_assert_eq!(found(&table, &words), wanted.map(|i| format!("h:{i}")));
        // Whoever asks why gets the same answer, and a reason for each route before it.
        let request = Request::new(&words);
        let search = table.search(&request.head(), 0);
        prop_assert_eq!(search.routed.map(|r| r.route.name.to_string()), wanted.map(|i| i.to_string()));
        prop_assert_eq!(search.passed.len(), wanted.unwrap_or(routes.len()));
        prop_assert!(search.passed.iter().all(|(_, because)| !because.is_empty()));
    }
}
