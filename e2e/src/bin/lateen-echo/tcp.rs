//! TCP in which the server speaks first, and each side says by itself when it has said all.

use anyhow::{Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    TCP, connect,
    pattern::{self, Checker},
};

const GREETING: &[u8] = b"220 speak\r\n";
const FAREWELL: &[u8] = b"221 heard\r\n";

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = converse(stream).await {
                eprintln!("a conversation ended badly: {error}");
            }
        });
    }
}

/// Greets, sends back what it hears, and says farewell after the other side's end.
async fn converse(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(GREETING).await?;
    let (mut reader, mut writer) = stream.split();
    tokio::io::copy(&mut reader, &mut writer).await?;
    writer.write_all(FAREWELL).await?;
    writer.shutdown().await
}

/// Waits to be greeted, and then talks and listens at the same time.
pub(crate) async fn ask(host: &str, bytes: u64) -> Result<()> {
    let mut stream = connect(host, TCP).await?;
    let mut greeting = vec![0; GREETING.len()];
    stream.read_exact(&mut greeting).await?;
    ensure!(greeting == GREETING, "greeted with {:?}", String::from_utf8_lossy(&greeting));
    let (mut reader, mut writer) = stream.into_split();
    let talk = async {
        for chunk in pattern::chunks(bytes) {
            writer.write_all(&chunk).await?;
        }
        writer.shutdown().await
    };
    let mut heard = Vec::new();
    let (talked, listened) = tokio::join!(talk, reader.read_to_end(&mut heard));
    talked?;
    listened?;
    ensure!(heard.ends_with(FAREWELL), "no farewell after {} bytes", heard.len());
    heard.truncate(heard.len() - FAREWELL.len());
    let mut checker = Checker::default();
    checker.take(&heard)?;
    checker.finish(bytes)
}
