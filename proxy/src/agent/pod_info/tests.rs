use super::parse;

#[test]
fn quoted_values_are_read() {
    let text = "app=\"web\"\nempty=\"\"\njson=\"{\\\"a\\\":1}\\n\"\nodd=\"\\u00e9\\x41\"\nbroken\n";
    let read = parse(text);
    let read: Vec<(&str, &str)> = read.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(read, [("app", "web"), ("empty", ""), ("json", "{\"a\":1}\n"), ("odd", "éA")]);
}
