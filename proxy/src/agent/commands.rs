//! The command line, in the forms of Istio's pilot-agent.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use http::StatusCode;
use mesh_bootstrap::causes;

use super::http::{Call, CallError, call};

/// The data plane's log when nothing is asked.
const PROXY_LOG_LEVEL: &str = "warning,misc:error";

/// The proxy of a mesh, and the questions one may ask it.
#[derive(Debug, Parser)]
#[command(name = "lateen-proxy", version, about = "The proxy beside an application")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Run the proxy.
    Proxy(ProxyOptions),
    /// Ask the running proxy something, such as `request GET config_dump`.
    Request(Request),
    /// Wait until the proxy is ready.
    Wait(Wait),
}

/// What a proxy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Beside an application.
    Sidecar,
    /// A gateway: no application, nothing captured; it listens where its Gateways say.
    Router,
}

/// How the proxy runs. Most of it comes from the environment, which injection sets.
#[derive(Clone, Debug, Args)]
pub struct ProxyOptions {
    /// What the proxy is for.
    #[arg(value_enum, default_value = "sidecar")]
    pub role: Role,
    /// DNS domain of the pod, such as `default.svc.cluster.local`.
    #[arg(long, default_value = "")]
    pub domain: String,
    /// Log level of the data plane.
    #[arg(long = "proxyLogLevel", default_value = PROXY_LOG_LEVEL)]
    pub proxy_log_level: String,
    /// Log levels of the data plane's components, as `misc:error`.
    #[arg(long = "proxyComponentLogLevel", default_value = "")]
    pub proxy_component_log_level: String,
    /// Log level of the agent, as `SCOPE:LEVEL,..`; `default` and `all` are the scopes that count.
    #[arg(long = "log_output_level", default_value = "default:info")]
    pub log_output_level: String,
    /// The agent logs JSON.
    #[arg(long = "log_as_json")]
    pub log_as_json: bool,
    /// Worker threads of the data plane; 0: as many as cores. Otherwise as the proxy's configuration says.
    #[arg(long)]
    pub concurrency: Option<u32>,
}

/// A question.
#[derive(Debug, Args)]
pub struct Request {
    /// The port: 15000 is the data plane's, 15020 the agent's.
    #[arg(long = "debug-port", default_value_t = 15000)]
    pub port: u16,
    /// Such as GET.
    pub method: String,
    /// Such as `config_dump`.
    pub path: String,
}

/// How long to wait.
#[derive(Debug, Args)]
pub struct Wait {
    /// Seconds until giving up.
    #[arg(long = "timeoutSeconds", default_value_t = 60)]
    pub timeout_seconds: u64,
    /// Milliseconds for one question.
    #[arg(long = "requestTimeoutMillis", default_value_t = 500)]
    pub request_timeout_millis: u64,
    /// Milliseconds between questions.
    #[arg(long = "periodMillis", default_value_t = 500)]
    pub period_millis: u64,
    /// What is asked.
    #[arg(long, default_value = "http://localhost:15021/healthz/ready")]
    pub url: String,
}

impl ProxyOptions {
    /// The agent's log filter, from Istio's form.
    pub fn log_filter(&self) -> String {
        let level = self.log_output_level.split(',').find_map(|part| match part.split_once(':') {
            None => Some(part),
            Some(("default" | "all", level)) => Some(level),
            Some(_) => None,
        });
        match level {
            Some("none") => "off",
            Some("fatal" | "error") => "error",
            Some("warn" | "warning") => "warn",
            Some("debug") => "debug",
            _ => "info",
        }
        .to_owned()
    }
}

/// Why a question to the running proxy failed.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No answer.
    #[error("the proxy did not answer; is it running in this pod?")]
    Call(#[from] CallError),
    /// A failure.
    #[error("the proxy answered {0}")]
    Answered(StatusCode),
    /// The answer cannot be printed.
    #[error("the answer cannot be written")]
    Output(#[source] io::Error),
    /// Not ready in time.
    #[error("the proxy was not ready within {seconds} seconds: {why}")]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
        /// Its last answer.
        why: String,
    },
}

/// Asks the running proxy, and prints its answer.
///
/// # Errors
/// There is no answer, or it is a failure.
pub async fn ask(request: &Request) -> Result<(), AskError> {
    let url = format!("http://localhost:{}/{}", request.port, request.path.trim_start_matches('/'));
    let reply = call(Call::new(&request.method.to_uppercase(), &url)?.patience(Duration::from_secs(60))).await?;
    let mut out = io::stdout().lock();
    match out.write_all(&reply.body).and_then(|()| out.flush()) {
        // Whoever reads may have read enough, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(AskError::Output(error)),
        _ => {}
    }
    if reply.status.is_client_error() || reply.status.is_server_error() {
        return Err(AskError::Answered(reply.status));
    }
    Ok(())
}

/// Waits until the proxy says that it is ready.
///
/// # Errors
/// It did not within the time.
pub async fn wait(patience: &Wait) -> Result<(), AskError> {
    let end = Instant::now() + Duration::from_secs(patience.timeout_seconds);
    let request = Call::new("GET", &patience.url)?;
    let request = request.patience(Duration::from_millis(patience.request_timeout_millis));
    loop {
        let why = match call(request.clone()).await {
            Ok(reply) if reply.status.is_success() => return Ok(()),
            Ok(reply) => format!("it answered {}: {}", reply.status, String::from_utf8_lossy(&reply.body).trim()),
            Err(error) => causes(&error),
        };
        if Instant::now() >= end {
            return Err(AskError::NotReady { seconds: patience.timeout_seconds, why });
        }
        tokio::time::sleep(Duration::from_millis(patience.period_millis)).await;
    }
}

#[cfg(test)]
mod tests;
