//! Which request goes where.

use serde_json::Value;

use super::{View, objects, origin, text};

/// How many host names a row shows.
const SHOWN: usize = 2;

/// The table of routes; `name` chooses one table of routes.
pub fn routes(dump: &Value, name: Option<&str>) -> View {
    let mut view = View::new(&["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"]);
    let lists = [("static_route_configs", "/route_config"), ("dynamic_route_configs", "/route_config")];
    let mut configs = objects(dump, "RoutesConfigDump", &lists);
    configs.sort_by_key(|config| {
        let name = text(&config["name"]);
        // Ports first, by number; names after them.
        (name.parse::<u32>().map_or(1, |_| 0), name.parse::<u32>().unwrap_or_default(), name.to_owned())
    });
    for config in configs {
        let config_name = text(&config["name"]);
        if name.is_some_and(|wish| wish != config_name) {
            continue;
        }
        for host in config["virtual_hosts"].as_array().into_iter().flatten() {
            let row = |condition: String, origin: String| {
                [config_name.to_owned(), text(&host["name"]).to_owned(), domains(host), condition, origin]
            };
            let routes = host["routes"].as_array().map(Vec::as_slice).unwrap_or_default();
            if routes.is_empty() {
                view.table.row(row("/*".to_owned(), "404".to_owned()));
            }
            for route in routes {
                view.table.row(row(condition(&route["match"]), origin(route, "virtual-service")));
            }
        }
        view.objects.push(config.clone());
    }
    view
}

/// Host names that a person would write: without the ports that are the same names again.
fn domains(host: &Value) -> String {
    let all: Vec<&str> = host["domains"].as_array().into_iter().flatten().map(text).collect();
    let portless: Vec<&str> = all.iter().copied().filter(|domain| !has_port(domain)).collect();
    let names = if portless.is_empty() { all } else { portless };
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

fn has_port(domain: &str) -> bool {
    let after = domain.rsplit_once(']').map_or(domain, |(_, after)| after);
    after.contains(':')
}

/// Which requests take a route.
pub(super) fn condition(condition: &Value) -> String {
    let path = [("prefix", "*"), ("path_separated_prefix", "*"), ("path", "")]
        .iter()
        .find_map(|(field, star)| condition[*field].as_str().map(|path| format!("{path}{star}")));
    let regex = condition.pointer("/safe_regex/regex").and_then(Value::as_str).map(|regex| format!("regex {regex}"));
    let mut parts: Vec<String> = path.or(regex).into_iter().collect();
    for header in condition["headers"].as_array().into_iter().flatten() {
        let name = text(&header["name"]);
        let exact = header.pointer("/string_match/exact").or_else(|| header.get("exact_match")).map(text);
        parts.push(match (name, exact) {
            (":method", Some(method)) => method.to_owned(),
            (name, Some(value)) => format!("{name}={value}"),
            (name, None) => format!("{name}=..."),
        });
    }
    parts.join(" ")
}
