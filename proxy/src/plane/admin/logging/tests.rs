use super::*;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn loggers_of_envoy_are_targets_of_ours() {
    let mut chosen = Chosen { all: "info".to_owned(), single: BTreeMap::new() };
    chosen.change(&pairs(&[("paths", "config:debug,dns:trace")])).unwrap();
    assert_eq!(chosen.filter(), "info,proxy::plane::feed=debug,mesh_xds=debug,proxy::plane::dns=trace");
    assert!(chosen.show().contains("  config: debug\n") && chosen.show().contains("  http: info\n"));
    chosen.change(&pairs(&[("admin", "warning")])).unwrap();
    assert!(chosen.filter().starts_with("info,proxy::plane::admin=warn,"));
    chosen.change(&pairs(&[("level", "error")])).unwrap();
    assert_eq!(chosen.filter(), "error");
}

#[test]
fn what_is_unknown_is_said() {
    let mut chosen = Chosen { all: "info".to_owned(), single: BTreeMap::new() };
    for (wish, part) in
        [(("level", "loud"), "loud"), (("nobody", "info"), "nobody"), (("paths", "dns"), "LOGGER:LEVEL")]
    {
        let error = chosen.change(&pairs(&[wish])).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}
