//! The grammars of names, label keys and label values, with Kubernetes' texts.

/// Why a text is not what it should be; empty when it is.
pub type Faults = Vec<String>;

/// Longest label, and longest subdomain.
const LABEL: usize = 63;
const SUBDOMAIN: usize = 253;

const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_1035_RULE: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
    alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
    validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
    alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
    and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
    validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY_RULE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
    'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ENV_NAME_RULE: &str = "a valid environment variable name must consist only of printable ASCII characters other \
    than '='";

fn is_lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_dns(text: &str) -> bool {
    text.chars().all(|c| is_lower(c) || c == '-') && text.starts_with(is_lower) && text.ends_with(is_lower)
}

/// Letters and digits at both ends, `-`, `_` and `.` between.
fn is_loose(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(inner)
}

fn check(text: &str, longest: usize, good: bool, rule: &str) -> Faults {
    let long = (text.len() > longest).then(|| format!("must be no more than {longest} characters"));
    let bad = (!good).then(|| rule.to_owned());
    long.into_iter().chain(bad).collect()
}

/// An RFC 1123 label: a namespace, a port name's base, a volume.
pub fn label(text: &str) -> Faults {
    check(text, LABEL, is_dns(text), LABEL_RULE)
}

/// An RFC 1123 subdomain: the usual object name.
pub fn subdomain(text: &str) -> Faults {
    check(text, SUBDOMAIN, text.split('.').all(is_dns), SUBDOMAIN_RULE)
}

/// A DNS-1035 label: a Service's name.
pub fn dns_1035(text: &str) -> Faults {
    let good = is_dns(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
    check(text, LABEL, good, DNS_1035_RULE)
}

/// Anything that can be one segment of a path: names of roles.
pub fn path_segment(text: &str) -> Faults {
    let whole = [".", ".."].iter().filter(|s| text == **s).map(|s| format!("may not be '{s}'"));
    let parts = ["/", "%"].iter().filter(|s| text.contains(**s)).map(|s| format!("may not contain '{s}'"));
    whole.chain(parts).collect()
}

/// A label or annotation key: a name with an optional subdomain and slash before it.
pub fn qualified(text: &str) -> Faults {
    let mut faults = Faults::new();
    let name = match text.split_once('/') {
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a qualified name {QUALIFIED_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some(("", name)) => {
            faults.push("prefix part must be non-empty".into());
            name
        }
        Some((prefix, name)) => {
            faults.extend(subdomain(prefix).into_iter().map(|fault| format!("prefix part {fault}")));
            name
        }
        None => text,
    };
    if name.is_empty() {
        faults.push("name part must be non-empty".into());
    }
    faults.extend(check(name, LABEL, is_loose(name), QUALIFIED_RULE).into_iter().map(|f| format!("name part {f}")));
    faults
}

/// A label's value.
pub fn label_value(text: &str) -> Faults {
    check(text, LABEL, text.is_empty() || is_loose(text), VALUE_RULE)
}

/// A key of a ConfigMap or Secret.
pub fn config_key(text: &str) -> Faults {
    let good = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let mut faults = check(text, SUBDOMAIN, good, CONFIG_KEY_RULE);
    match text {
        "." => faults.push("must not be '.'".into()),
        ".." => faults.push("must not be '..'".into()),
        _ if text.starts_with("..") => faults.push("must not start with '..'".into()),
        _ => {}
    }
    faults
}

/// An environment variable's name.
pub fn env_name(text: &str) -> Faults {
    let good = !text.is_empty() && text.chars().all(|c| (' '..='~').contains(&c) && c != '=');
    check(text, usize::MAX, good, ENV_NAME_RULE)
}

/// A port's name: at most 15 of lower-case letters, digits and single dashes, with a letter.
pub fn port_name(text: &str) -> Faults {
    let mut faults = Faults::new();
    if text.len() > 15 {
        faults.push("must be no more than 15 characters".into());
    }
    if !text.chars().all(|c| is_lower(c) || c == '-') {
        faults.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !text.chars().any(|c| c.is_ascii_lowercase()) {
        faults.push("must contain at least one letter (a-z)".into());
    }
    if text.contains("--") {
        faults.push("must not contain consecutive hyphens".into());
    }
    if text.starts_with('-') || text.ends_with('-') {
        faults.push("must not begin or end with a hyphen".into());
    }
    faults
}

/// A port's number.
pub fn port_number(number: i64) -> Faults {
    let good = (1..=65535).contains(&number);
    if good { Faults::new() } else { vec!["must be between 1 and 65535, inclusive".into()] }
}

#[cfg(test)]
mod tests;
