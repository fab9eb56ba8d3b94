//! Access logs as the mesh's settings want them.
//!
//! <https://istio.io/latest/docs/tasks/observability/logs/access-log/#default-access-log-format>

use mesh_model::config::{AccessLogEncoding, MeshConfig};

use crate::{
    built::any_sorted,
    canonical,
    pb::{
        accesslog::{AccessLog, AccessLogFilter, ResponseFlagFilter, access_log, access_log_filter::FilterSpecifier},
        core::{DataSource, SubstitutionFormatString, data_source::Specifier, substitution_format_string::Format},
        file_log::{FileAccessLog, file_access_log::AccessLogFormat},
    },
    wire::text,
};

/// One operator: its key in JSON, how Envoy writes it, and whether the text format quotes it.
const OPERATORS: [(&str, &str); 24] = [
    ("start_time", "%START_TIME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("route_name", "%ROUTE_NAME%"),
];

/// Operators that stand in quotes in the text format.
const QUOTED: [&str; 6] =
    ["upstream_transport_failure_reason", "x_forwarded_for", "user_agent", "request_id", "authority", "upstream_host"];

/// Istio's default line.
pub(crate) fn default_line() -> String {
    let word = |(key, operator): &(&str, &str)| match *key {
        "start_time" => format!("[{operator}]"),
        "method" => format!("\"{operator}"),
        "protocol" => format!("{operator}\""),
        key if QUOTED.contains(&key) => format!("\"{operator}\""),
        _ => (*operator).to_owned(),
    };
    OPERATORS.iter().map(word).collect::<Vec<_>>().join(" ") + "\n"
}

fn format(mesh: &MeshConfig) -> Format {
    let json = |fields: Vec<(String, String)>| {
        let fields = fields.into_iter().map(|(key, operator)| (key, text(operator))).collect();
        Format::JsonFormat(crate::pb::Struct { fields })
    };
    let custom = mesh.access_log_format.as_str();
    match mesh.access_log_encoding {
        AccessLogEncoding::Text => {
            let mut line = if custom.is_empty() { default_line() } else { custom.to_owned() };
            if !line.ends_with('\n') {
                line.push('\n');
            }
            Format::TextFormatSource(DataSource {
                specifier: Some(Specifier::InlineString(line)),
                ..Default::default()
            })
        }
        AccessLogEncoding::Json => {
            let written: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(custom).ok();
            let default =
                || OPERATORS.iter().map(|(key, operator)| ((*key).to_owned(), (*operator).to_owned())).collect();
            json(written.map_or_else(default, |fields| {
                fields.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
            }))
        }
    }
}

/// The log of a connection or its requests; none when the mesh writes none.
pub(super) fn access_log(mesh: &MeshConfig) -> Vec<AccessLog> {
    if mesh.access_log_file.is_empty() {
        return Vec::new();
    }
    let config = FileAccessLog {
        path: mesh.access_log_file.clone(),
        access_log_format: Some(AccessLogFormat::LogFormat(SubstitutionFormatString {
            format: Some(format(mesh)),
            ..Default::default()
        })),
    };
    vec![AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        filter: None,
        config_type: Some(access_log::ConfigType::TypedConfig(any_sorted(&config, &canonical::FILE_LOG))),
    }]
}

/// The log of a listener: only connections for which it has no filter chain.
pub(super) fn no_route_log(mesh: &MeshConfig) -> Vec<AccessLog> {
    let flags = ResponseFlagFilter { flags: vec!["NR".to_owned()] };
    let mut logs = access_log(mesh);
    for log in &mut logs {
        log.filter =
            Some(AccessLogFilter { filter_specifier: Some(FilterSpecifier::ResponseFlagFilter(flags.clone())) });
    }
    logs
}

#[cfg(test)]
mod tests;
