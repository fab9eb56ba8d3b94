use super::*;

struct Some3;

impl Facts for Some3 {
    fn write(&self, fact: &Fact, out: &mut String) -> bool {
        match fact {
            Fact::ResponseCode => out.push_str("200"),
            Fact::Request(Field::Method, None) => out.push_str("GET"),
            Fact::Request(Field::Name(name), Some(Field::Path)) => out.push_str(&format!("/instead-of-{name}")),
            Fact::RouteName => out.push_str("übung"),
            _ => return false,
        }
        true
    }
}

fn render(text: &str, missing: Missing) -> String {
    let mut out = String::new();
    Template::parse(text).unwrap().render(&Some3, missing, &mut out);
    out
}

#[test]
fn templates_render() {
    let cases = [
        ("", "", ""),
        ("plain 100%%", "plain 100%", "plain 100%"),
        ("[%START_TIME%] %RESPONSE_CODE%\n", "[-] 200\n", "[] 200\n"),
        (
            "\"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%\"",
            "\"GET /instead-of-x-envoy-original-path\"",
            "\"GET /instead-of-x-envoy-original-path\"",
        ),
        ("%RESPONSE_CODE:2%|%ROUTE_NAME:1%|%ROUTE_NAME:2%", "20||ü", "20||ü"),
    ];
    for (text, dashed, empty) in cases {
        assert_eq!(render(text, Missing::Dash), dashed);
        assert_eq!(render(text, Missing::Empty), empty);
    }
}

#[test]
fn what_is_not_understood_is_refused() {
    for text in ["%", "100% sure", "%NO_SUCH%", "%REQ(X%", "%REQ%", "%REQ(a b)%", "%START_TIME(%s)%", "%PROTOCOL:x%"] {
        assert!(Template::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_template_says_when_it_is_simple() {
    assert_eq!(Template::parse("a%%b").unwrap().constant(), Some("a%b"));
    assert_eq!(Template::parse("%PROTOCOL%").unwrap().single(), Some(&Fact::Protocol));
    assert_eq!(Template::parse("x%PROTOCOL%").unwrap().single(), None);
    assert_eq!(Template::parse("x%PROTOCOL%").unwrap().constant(), None);
}
