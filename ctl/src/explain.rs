//! `explain`: what a pod's proxy does with a request, which object and field decide it, and why others do not.
//!
//! Nothing is sent and nothing is simulated: pilot's records and the proxy's node go through the code that pilot runs
//! (mesh-model, mesh-translate), and what comes out through the code that our proxy runs (mesh-snapshot).
//!
//! ```text
//!   pilot /debug/recordz ─► Told ─► World::of ─► World ── explain(request) ─► Explanation ─► text or JSON
//!      records, node,                 │ same resources as pilot makes for the proxy
//!      what it accepted               └─ their hashes against those that the proxy accepted
//! ```
//!
//! Start reading at [`World`], then [`answer`].

pub mod answer;
pub(crate) mod ask;
mod request;
mod scope;
mod standing;
mod targets;
mod text;
mod way;
mod world;

use std::{
    io::{BufRead, Write},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

pub use self::{
    answer::Explanation,
    request::{BadRequest, Request},
    standing::Standing,
    targets::{Endpoint, Found, Target},
    world::{BadTold, Proxy, Record, Told, World},
};
use crate::cluster::Where;

/// How an explanation is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Flags of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Who calls: pod, pod.namespace, deploy/name or deploy/name.namespace
    pub target: String,
    /// GET, POST, ...
    #[arg(required_unless_present = "batch")]
    pub method: Option<String>,
    /// What is called, such as http://reviews:9080/reviews/0; https:// opens TLS, tcp:// sends bytes
    #[arg(required_unless_present = "batch")]
    pub url: Option<String>,
    /// A header of the request, as often as wanted
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// How it is printed
    #[arg(short = 'o', long, default_value = "text", value_enum)]
    pub output: Output,
    /// Explain each line of a file (`-`: of standard input): {"method": .., "url": .., "headers": {..}}
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "url", "headers"])]
    pub batch: Option<PathBuf>,
}

/// Asks pilot, and explains.
pub async fn run(place: &Where, arguments: &ExplainArgs, out: &mut impl Write) -> Result<()> {
    let requests = requests(arguments)?;
    let world = World::of(&ask::told(place, &arguments.target).await?)?;
    for (index, request) in requests.iter().enumerate() {
        let explanation = world.explain(request)?;
        match arguments.output {
            Output::Text if index > 0 => write!(out, "\n{explanation}")?,
            Output::Text => write!(out, "{explanation}")?,
            // One line each, so that programs can pair them with what they asked.
            Output::Json if requests.len() != 1 => writeln!(out, "{}", serde_json::to_string(&explanation)?)?,
            Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&explanation)?)?,
        }
    }
    Ok(())
}

fn requests(arguments: &ExplainArgs) -> Result<Vec<Request>> {
    if let (Some(method), Some(url)) = (&arguments.method, &arguments.url) {
        return Ok(vec![Request::read(method, url, &arguments.headers)?]);
    }
    let Some(path) = &arguments.batch else { bail!("say METHOD and URL, or --batch FILE") };
    let text: Vec<String> = if path.as_os_str() == "-" {
        std::io::stdin().lock().lines().collect::<Result<_, _>>()?
    } else {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        text.lines().map(str::to_owned).collect()
    };
    let filled = text.iter().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(index, line): (usize, &String)| {
        serde_json::from_str(line).with_context(|| format!("line {} of {}", index + 1, path.display()))
    };
    filled.map(read).collect()
}
