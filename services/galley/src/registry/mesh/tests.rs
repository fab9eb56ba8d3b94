use serde_json::json;

use super::*;

fn map(text: Option<&str>) -> ConfigMap {
    ConfigMap { data: text.map(|text| [(KEY.to_owned(), text.to_owned())].into()), ..ConfigMap::default() }
}

#[test]
fn settings_are_read_as_they_are_written() {
    let table = [
        (None, json!({})),
        (Some(""), json!({})),
        (Some("# nothing\n"), json!({})),
        (
            Some("accessLogFile: /dev/stdout\nconnectTimeout: 5s\n"),
            json!({"accessLogFile": "/dev/stdout", "connectTimeout": "5s"}),
        ),
    ];
    for (text, value) in table {
        assert_eq!(settings(&map(text)).expect("settings"), value, "{text:?}");
    }
}

#[test]
fn what_is_no_mapping_is_refused() {
    for text in ["- a\n", "a: [", "words"] {
        assert!(settings(&map(Some(text))).is_err(), "{text}");
    }
}
