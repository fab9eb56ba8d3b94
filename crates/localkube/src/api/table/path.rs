//! The simple JSON paths that printer columns use: members, indexes, `[*]`, and filters on equality.

use serde_json::Value;

/// One step of a path.
enum Step {
    Member(String),
    Index(i64),
    All,
    /// Items whose value at a path equals, or does not equal, a text.
    Filter {
        path: String,
        equal: bool,
        text: String,
    },
}

/// All values of `root` at `path`; none when the path cannot be read.
pub fn find<'a>(root: &'a Value, path: &str) -> Vec<&'a Value> {
    let Some(steps) = parse(path) else { return Vec::new() };
    let mut found = vec![root];
    for step in &steps {
        found = found.into_iter().flat_map(|value| follow(value, step)).collect();
    }
    found
}

fn follow<'a>(value: &'a Value, step: &Step) -> Vec<&'a Value> {
    let items = || value.as_array().map(Vec::as_slice).unwrap_or_default();
    match step {
        Step::Member(name) => value.get(name).into_iter().collect(),
        Step::Index(index) => {
            let length = items().len();
            let at = if *index < 0 { length.checked_sub(index.unsigned_abs() as usize) } else { Some(*index as usize) };
            at.and_then(|at| items().get(at)).into_iter().collect()
        }
        Step::All => match value {
            Value::Object(map) => map.values().collect(),
            _ => items().iter().collect(),
        },
        Step::Filter { path, equal, text } => {
            let holds = |item: &&Value| {
                let found = find(item, path);
                let same = |v: &&Value| v.as_str().map_or_else(|| v.to_string() == *text, |s| s == text);
                if *equal { found.iter().any(same) } else { !found.iter().any(same) }
            };
            items().iter().filter(holds).collect()
        }
    }
}

fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = closing(inner)?;
            steps.push(bracket(&inner[..end])?);
            rest = &inner[end + 1..];
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let (name, after) = member(rest);
            match name.as_str() {
                "" if after.starts_with('[') => {}
                "" => return None,
                "*" => steps.push(Step::All),
                _ => steps.push(Step::Member(name)),
            }
            rest = after;
        }
    }
    Some(steps)
}

/// A member's name up to the next dot or bracket; a backslash takes the next character as it is.
fn member(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '.' | '[' => return (name, &text[at..]),
            '\\' => name.extend(letters.next().map(|(_, next)| next)),
            _ => name.push(letter),
        }
    }
    (name, "")
}

/// Where the bracket closes that was open before `text`.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0, None);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[' | '(') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']' | ')') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn bracket(inner: &str) -> Option<Step> {
    if inner == "*" {
        return Some(Step::All);
    }
    if let Some(filter) = inner.strip_prefix("?(").and_then(|f| f.strip_suffix(')')) {
        let (path, equal, text) = match filter.split_once("==") {
            Some((path, text)) => (path, true, text),
            None => filter.split_once("!=").map(|(path, text)| (path, false, text))?,
        };
        let path = path.trim().strip_prefix('@')?.to_owned();
        return Some(Step::Filter { path, equal, text: unquoted(text.trim()).to_owned() });
    }
    let name = unquoted(inner);
    if name == inner { inner.parse().ok().map(Step::Index) } else { Some(Step::Member(name.to_owned())) }
}

fn unquoted(text: &str) -> &str {
    ['\'', '"'].iter().find_map(|q| text.strip_prefix(*q)?.strip_suffix(*q)).unwrap_or(text)
}
