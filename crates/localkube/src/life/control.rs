//! The control socket: how `localkube sh` learns which namespace belongs to a node or a pod.
//!
//! One line in (`node-1`, or `namespace/pod`), one line out: `ok FD HINT` with the daemon's file number, or `error TEXT`.

use std::{
    os::fd::{AsFd, AsRawFd},
    path::Path,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::net::netns::NetNs;

/// A namespace found by name, with a hint for people (the pod's veth on its node).
pub struct Found {
    /// The namespace.
    pub netns: NetNs,
    /// Shown before the shell starts.
    pub hint: String,
}

/// Answers questions until the process ends.
pub async fn serve(
    path: &Path,
    find: impl Fn(&str) -> Result<Found, String> + Send + Sync + 'static,
) -> std::io::Result<()> {
    let listener = UnixListener::bind(path)?;
    let find = std::sync::Arc::new(find);
    loop {
        let (stream, _) = listener.accept().await?;
        let find = find.clone();
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &*find).await {
                tracing::debug!(%error, "control connection");
            }
        });
    }
}

async fn answer(
    stream: UnixStream,
    find: &(dyn Fn(&str) -> Result<Found, String> + Send + Sync),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let found = find(line.trim());
    let reply = match &found {
        Ok(found) => format!("ok {} {}\n", found.netns.as_fd().as_raw_fd(), found.hint),
        Err(error) => format!("error {error}\n"),
    };
    stream.write_all(reply.as_bytes()).await?;
    // The file must stay open until the caller has entered it, which it tells by hanging up.
    stream.read_line(&mut line).await?;
    drop(found);
    Ok(())
}
