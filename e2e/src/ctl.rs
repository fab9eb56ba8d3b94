//! `lateenctl`, as a person runs it against the cluster under test.

use std::{env, path::PathBuf, process::Stdio};

use anyhow::{Context, Result, ensure};
use tokio::{io::AsyncWriteExt, process::Command};

/// Where `lateenctl` was built: beside the folder of the test that runs.
fn program() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let folder = own.parent().and_then(|deps| deps.parent()).context("the test is in no folder")?;
    Ok(folder.join("lateenctl"))
}

/// Runs it with `input` as its standard input; gives what it printed.
///
/// # Errors
/// It could not be run or failed: with its arguments and what it said.
pub async fn lateenctl(args: &[&str], input: &str) -> Result<String> {
    let program = program()?;
    let mut command = Command::new(&program);
    command.args(args).env("KUBECONFIG", env::var_os("LOCALKUBE_KUBECONFIG").unwrap_or_default());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let talk = async {
        // It may have ended without reading; its own message then says why.
        drop(stdin.write_all(input.as_bytes()).await);
        drop(stdin);
        child.wait_with_output().await
    };
    let output = talk.await?;
    let said = String::from_utf8(output.stdout)?;
    let line = args.join(" ");
    ensure!(output.status.success(), "lateenctl {line}: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}
