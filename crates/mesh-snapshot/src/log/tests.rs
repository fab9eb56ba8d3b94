use mesh_proto::{envoy::google::protobuf::Value, pack};

use super::*;

struct Teapot;

impl Facts for Teapot {
    fn write(&self, fact: &Fact, out: &mut String) -> bool {
        match fact {
            Fact::ResponseCode => out.push_str("418"),
            Fact::RouteName => out.push_str("a \"route\""),
            _ => return false,
        }
        true
    }
}

fn log(format: core::substitution_format_string::Format, flags: Option<Vec<String>>) -> Result<AccessLog, Bad> {
    let format = core::SubstitutionFormatString { format: Some(format), ..Default::default() };
    let file = file::FileAccessLog {
        path: "/dev/stdout".into(),
        access_log_format: Some(file::file_access_log::AccessLogFormat::LogFormat(format)),
    };
    let filter = flags.map(|flags| pb::AccessLogFilter {
        filter_specifier: Some(pb::access_log_filter::FilterSpecifier::ResponseFlagFilter(pb::ResponseFlagFilter {
            flags,
        })),
    });
    let config_type = Some(pb::access_log::ConfigType::TypedConfig(pack(&file)));
    AccessLog::parse(pb::AccessLog { filter, config_type, ..Default::default() })
}

#[test]
fn lines_are_text_or_json() {
    use super::core::substitution_format_string::Format as F;
    let line = |log: AccessLog| {
        let mut out = String::new();
        log.render(&Teapot, &mut out);
        out
    };
    let text = log(F::TextFormat("%RESPONSE_CODE% %DURATION% %ROUTE_NAME%\n".into()), None).unwrap();
    assert_eq!(line(text), "418 - a \"route\"\n");
    let value = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
    let fields = [("code", "%RESPONSE_CODE%"), ("a", "%ROUTE_NAME%"), ("b", "%DURATION%"), ("c", "x%DURATION%")];
    let fields = fields.iter().map(|(k, v)| ((*k).to_owned(), value(v))).collect();
    let json = log(F::JsonFormat(Struct { fields }), None).unwrap();
    assert_eq!(line(json), "{\"a\":\"a \\\"route\\\"\",\"b\":null,\"c\":\"x-\",\"code\":418}\n");
}

/// A teapot's call that nobody took.
struct Refused(crate::Refusal);

impl Facts for Refused {
    fn write(&self, fact: &Fact, out: &mut String) -> bool {
        Teapot.write(fact, out)
    }

    fn refusal(&self) -> Option<&crate::Refusal> {
        Some(&self.0)
    }
}

/// Parsers of the default line find it as it was, and of JSON every key; a line of one's own is nobody else's.
#[test]
fn a_reason_stands_behind_the_default_line_and_beside_the_keys_of_json() {
    use super::core::substitution_format_string::Format as F;
    let refused = Refused(crate::Refusal {
        reason: crate::Reason::NoHost,
        host: "a \"b\"".into(),
        decided: crate::Provenance::default(),
        explain: Some("lateenctl explain x".into()),
    });
    let line = |format: F, facts: &dyn Facts| {
        let mut out = "before\n".to_owned();
        log(format, None).unwrap().render(facts, &mut out);
        out.strip_prefix("before\n").unwrap().to_owned()
    };
    let hint = crate::Reason::NoHost.way_out();
    for default in [DEFAULT, ISTIO] {
        let plain = line(F::TextFormat(default.into()), &Teapot);
        let told = line(F::TextFormat(default.into()), &refused);
        let words = format!(" reason=NO_HOST host=\"a \\\"b\\\"\" hint=\"{hint}\" try=\"lateenctl explain x\"\n");
        assert_eq!(told, plain.trim_end().to_owned() + &words);
    }
    assert_eq!(line(F::TextFormat("%RESPONSE_CODE%\n".into()), &refused), "418\n");
    let value = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
    let fields = [("code", value("%RESPONSE_CODE%")), ("reason_host", value("mine"))];
    let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let json: serde_json::Value = serde_json::from_str(&line(F::JsonFormat(Struct { fields }), &refused)).unwrap();
    assert_eq!(
        json,
        serde_json::json!({ "code": 418, "reason": "NO_HOST", "reason_host": "mine", "reason_hint": hint,
            "reason_try": "lateenctl explain x" })
    );
}

#[test]
fn a_filter_asks_for_flags() {
    use super::core::substitution_format_string::Format as F;
    let filtered = |flags: &[&str]| {
        let flags = flags.iter().map(|f| (*f).to_owned()).collect();
        log(F::TextFormat("x".into()), Some(flags)).unwrap()
    };
    assert!(filtered(&["NR"]).wants("NR"));
    assert!(filtered(&["NR", "UH"]).wants("UF,UH"));
    assert!(!filtered(&["NR"]).wants("-"));
    assert!(filtered(&[]).wants("UF"));
    assert!(!filtered(&[]).wants("-"));
}
