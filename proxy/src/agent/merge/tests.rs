use super::{Scrape, append};

fn scrape(json: &str) -> Option<String> {
    serde_json::from_str::<Scrape>(json).unwrap().url()
}

#[test]
fn the_applications_place_is_what_its_annotations_said() {
    assert_eq!(scrape(r#"{"scrape":"true","path":"/m","port":"9080"}"#).unwrap(), "http://localhost:9080/m");
    assert_eq!(scrape(r#"{"scrape":"true","path":"","port":"9080"}"#).unwrap(), "http://localhost:9080/metrics");
    assert_eq!(scrape(r#"{"scrape":"true"}"#).unwrap(), "http://localhost:80/metrics");
    assert_eq!(scrape(r#"{"scrape":"","path":"/m","port":"1"}"#), None);
}

#[test]
fn parts_are_joined_without_an_end_in_the_middle() {
    let mut text = String::new();
    for part in ["a 1\n# EOF\n", "", "b 2", "c 3\n"] {
        append(&mut text, part);
    }
    assert_eq!(text, "a 1\nb 2\nc 3\n");
}
