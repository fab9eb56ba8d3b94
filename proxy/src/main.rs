//! lateen-proxy (also called pilot-agent): see the library's page.

use std::env;

use anyhow::Result;
use clap::Parser;
use proxy::agent::{Cli, Task, ask, run, wait};

// Workers have threads of their own; all the rest shares this one.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Proxy(options) => run(options, env::vars().collect()).await?,
        Task::Request(request) => ask(&request).await?,
        Task::Wait(patience) => wait(&patience).await?,
    }
    Ok(())
}
