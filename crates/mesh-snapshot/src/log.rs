//! Access logs: where a line goes, and what it says.

use mesh_proto::{
    Any,
    envoy::{
        envoy::{
            config::{accesslog::v3 as pb, core::v3 as core},
            extensions::access_loggers::{file::v3 as file, stream::v3 as stream},
        },
        google::protobuf::{Struct, value::Kind},
    },
};

use crate::{
    format::{Fact, Facts, Missing, Template},
    refusal::{At, Bad},
    take::{nothing_left, type_name, typed},
};

/// A compiled access log.
///
/// Where a call was refused or left the mesh, the line says why ([`Refusal`](crate::Refusal)): in JSON by further keys
/// (`reason`, `reason_host`, ...), in the default formats by further words behind the last one. A text format of one's own
/// stays as it is: it may be read by what expects just that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// The file, such as `/dev/stdout`.
    pub path: Box<str>,
    format: LogFormat,
    /// Only lines with one of these flags are written; none set means all lines.
    flags: Option<Vec<Box<str>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LogFormat {
    Text {
        template: Template,
        /// Whether it is one of the defaults.
        default: bool,
    },
    /// Keys in order of the alphabet.
    Json(Vec<(Box<str>, Template)>),
}

/// Envoy's format where none is given.
const DEFAULT: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
    "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% ",
    "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" ",
    "\"%UPSTREAM_HOST%\"\n"
);

/// Istio's format where none is given.
/// <https://istio.io/latest/docs/tasks/observability/logs/access-log/#default-access-log-format>
const ISTIO: &str = concat!(
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% ",
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ",
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ",
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" ",
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% ",
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ",
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
);

impl AccessLog {
    pub(crate) fn parse_all(logs: Vec<pb::AccessLog>) -> Result<Vec<Self>, Bad> {
        logs.into_iter().enumerate().map(|(i, log)| Self::parse(log).at_index("access_log", i)).collect()
    }

    fn parse(log: pb::AccessLog) -> Result<Self, Bad> {
        use pb::access_log_filter::FilterSpecifier as F;
        let flags = match log.filter.map(|f| f.filter_specifier) {
            None => None,
            Some(Some(F::ResponseFlagFilter(filter))) => Some(filter.flags.into_iter().map(Into::into).collect()),
            Some(_) => return Err(Bad::new("filter", "is of a kind that is not supported")),
        };
        let Some(pb::access_log::ConfigType::TypedConfig(any)) = log.config_type else {
            return Err(Bad::new("typed_config", "is missing"));
        };
        let (path, format) = Self::parse_sink(&any).at("typed_config")?;
        Ok(Self { path: path.into(), format, flags })
    }

    fn parse_sink(any: &Any) -> Result<(String, LogFormat), Bad> {
        match type_name(any) {
            "envoy.extensions.access_loggers.file.v3.FileAccessLog" => {
                use file::file_access_log::AccessLogFormat as A;
                let message: file::FileAccessLog = typed(any)?;
                let format = match message.access_log_format {
                    None => LogFormat::text(DEFAULT)?,
                    Some(A::LogFormat(format)) => LogFormat::parse(format).at("log_format")?,
                    Some(A::Format(text)) => LogFormat::text(&text).at("format")?,
                    Some(A::JsonFormat(of) | A::TypedJsonFormat(of)) => LogFormat::json(of).at("json_format")?,
                };
                Ok((message.path, format))
            }
            "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog" => {
                use stream::stdout_access_log::AccessLogFormat::LogFormat as Format;
                let message: stream::StdoutAccessLog = typed(any)?;
                let format = match message.access_log_format {
                    None => LogFormat::text(DEFAULT)?,
                    Some(Format(format)) => LogFormat::parse(format).at("log_format")?,
                };
                Ok(("/dev/stdout".to_owned(), format))
            }
            other => Err(Bad::new("", format!("`{other}` is not supported"))),
        }
    }

    /// Whether a request that ended with such flags (comma between them, `-` for none) is written.
    pub fn wants(&self, flags: &str) -> bool {
        match &self.flags {
            None => true,
            // An empty list asks for any flag.
            Some(wanted) if wanted.is_empty() => flags != "-",
            Some(wanted) => flags.split(',').any(|flag| wanted.iter().any(|w| w.as_ref() == flag)),
        }
    }

    /// Appends a line.
    pub fn render(&self, facts: &dyn Facts, out: &mut String) {
        match &self.format {
            LogFormat::Text { template, default } => {
                template.render(facts, Missing::Dash, out);
                if let Some(refusal) = facts.refusal().filter(|_| *default) {
                    out.truncate(out.trim_end_matches('\n').len());
                    refusal.fields().iter().for_each(|(key, value)| push_word(key, value, out));
                    out.push('\n');
                }
            }
            LogFormat::Json(fields) => {
                out.push('{');
                let mut value = String::new();
                for (i, (key, template)) in fields.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    push_json_text(key, out);
                    out.push(':');
                    value.clear();
                    match template.single() {
                        Some(fact) if !facts.write(fact, &mut value) => out.push_str("null"),
                        Some(fact) if is_number(fact) => out.push_str(&value),
                        Some(_) => push_json_text(&value, out),
                        None => {
                            template.render(facts, Missing::Dash, &mut value);
                            push_json_text(&value, out);
                        }
                    }
                }
                for (key, value) in facts.refusal().iter().flat_map(|refusal| refusal.fields()) {
                    let key = if key == "reason" { key.to_owned() } else { format!("reason_{key}") };
                    if fields.iter().all(|(known, _)| **known != *key) {
                        out.push_str(if out.ends_with('{') { "" } else { "," });
                        push_json_text(&key, out);
                        out.push(':');
                        push_json_text(&value, out);
                    }
                }
                out.push_str("}\n");
            }
        }
    }
}

impl LogFormat {
    fn parse(mut format: core::SubstitutionFormatString) -> Result<Self, Bad> {
        use core::substitution_format_string::Format as F;
        // Istio names formatters for operators that a format may use; those that are not known are refused by name.
        format.formatters.clear();
        let parsed = match format.format.take() {
            Some(F::TextFormat(text)) => Self::text(&text).at("text_format")?,
            Some(F::JsonFormat(of)) => Self::json(of).at("json_format")?,
            Some(F::TextFormatSource(source)) => match source.specifier {
                Some(core::data_source::Specifier::InlineString(text)) => Self::text(&text).at("text_format_source")?,
                _ => return Err(Bad::new("text_format_source", "is not inline")),
            },
            None => return Err(Bad::new("format", "is missing")),
        };
        // Sorted keys are the only order there is here.
        format.json_format_options = None;
        nothing_left(&format)?;
        Ok(parsed)
    }

    fn text(text: &str) -> Result<Self, Bad> {
        Template::parse(text).map(|template| Self::Text { template, default: [DEFAULT, ISTIO].contains(&text) })
    }

    fn json(of: Struct) -> Result<Self, Bad> {
        let mut fields: Vec<(Box<str>, Template)> = Vec::new();
        for (key, value) in of.fields {
            let Some(Kind::StringValue(text)) = value.kind else { return Err(Bad::new(key, "is no text")) };
            fields.push((key.as_str().into(), Template::parse(&text).at(&key)?));
        }
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Self::Json(fields))
    }
}

/// Facts that JSON carries as numbers.
fn is_number(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::ResponseCode
            | Fact::BytesReceived
            | Fact::BytesSent
            | Fact::Duration
            | Fact::RequestDuration
            | Fact::ResponseDuration
            | Fact::UpstreamRequestAttemptCount
            | Fact::DownstreamLocalPort
    )
}

/// ` key=value`, in quotes (those within escaped as JSON does it) unless the value is one plain word.
fn push_word(key: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(key);
    out.push('=');
    if value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        out.push_str(value);
    } else {
        push_json_text(value, out);
    }
}

fn push_json_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests;
