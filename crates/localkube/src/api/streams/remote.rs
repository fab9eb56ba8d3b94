//! `exec` and `attach`: a process's streams, its end, and the size of its terminal.

use std::{pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http::Request;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    sync::{mpsc, watch},
    time,
};

use super::{
    spdy,
    upgrade::{self, Upgrade},
    wire::{self, Incoming, Outgoing, PIECE, Wire},
};
use crate::{
    api::http::{Response, target::Query},
    node::access::{ExecRequest, Session, SharedAccess, Target},
    status::Status,
};

const WEBSOCKET: &[&str] = &["v5.channel.k8s.io", "v4.channel.k8s.io"];
const SPDY: &[&str] = &["v4.channel.k8s.io"];

/// What else holds a process's output may keep it for so long after its end.
const LINGER: Duration = Duration::from_millis(500);
/// kubectl before 1.34 reads from a WebSocket before it has made its streams, and discards what comes earlier
/// ("Unknown stream id 1, discarding message"). A server on the same machine is fast enough to meet that, so it waits.
const HEAD_START: Duration = Duration::from_millis(50);
/// How long a client of SPDY may take to open all its streams.
const OPENING: Duration = Duration::from_secs(30);

/// The numbers of the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    stdin: u32,
    stdout: u32,
    stderr: u32,
    error: u32,
    resize: u32,
}

/// Those of a WebSocket.
const CHANNELS: Numbers = Numbers { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 };

/// Starts the process (`exec`) or finds it, and switches protocols. A process that could not be started is told of in
/// the new protocol, as people expect; that there is no such container, in HTTP.
pub(super) async fn answer<B>(
    request: &mut Request<B>,
    access: SharedAccess,
    target: Target,
    query: &Query,
    is_exec: bool,
) -> Result<Response, Status> {
    let asked = parse(query, is_exec)?;
    let upgrade = Upgrade::of(request, WEBSOCKET, SPDY)?;
    let command = asked.command.join(" ");
    let found =
        if is_exec { access.exec(target, asked.clone()).await } else { access.attach(target, asked.clone()).await };
    let session = match found {
        Err(status) if status.code != 500 => return Err(status),
        found => found,
    };
    let is_websocket = upgrade.websocket;
    let (response, pending) = upgrade.accept();
    tokio::spawn(async move {
        let Ok(upgraded) = pending.await else { return };
        let Some((wire, numbers)) = connect(upgraded, is_websocket, &asked).await else { return };
        let first = if asked.stdout { numbers.stdout } else { numbers.error };
        // An empty message tells a WebSocket's client that all stands.
        let greeting = Outgoing::Data(first, Bytes::new());
        if is_websocket && wire.outgoing.send(greeting).await.is_err() {
            return;
        }
        let outgoing = wire.outgoing.clone();
        let end = match session {
            Ok(session) => converse(session, wire, numbers).await.map(|code| outcome(is_exec, &command, code)),
            Err(status) => Some(status.to_value()),
        };
        if let Some(end) = end {
            let text = Bytes::from(end.to_string());
            // A client that has gone needs no answer.
            let _unheard = outgoing.send(Outgoing::Data(numbers.error, text)).await;
            let _unheard = outgoing.send(Outgoing::End(numbers.error)).await;
        }
    });
    Ok(response)
}

fn parse(query: &Query, is_exec: bool) -> Result<ExecRequest, Status> {
    let tty = query.flag("tty");
    let request = ExecRequest {
        command: query.all("command").map(str::to_owned).collect(),
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        // A terminal has one output.
        stderr: query.flag("stderr") && !tty,
        tty,
    };
    if !(request.stdin || request.stdout || request.stderr) {
        return Err(Status::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    if is_exec && request.command.is_empty() {
        return Err(Status::bad_request("you must specify at least one command for the container"));
    }
    Ok(request)
}

async fn connect(upgraded: Upgraded, websocket: bool, asked: &ExecRequest) -> Option<(Wire, Numbers)> {
    if websocket {
        time::sleep(HEAD_START).await;
        return Some((wire::numbered(upgrade::websocket(upgraded).await), CHANNELS));
    }
    let mut wire = spdy::streams(TokioIo::new(upgraded));
    let numbers = time::timeout(OPENING, opened(&mut wire.incoming, asked)).await.ok()??;
    Some((wire, numbers))
}

/// Waits until a client of SPDY has opened every stream it asked for.
async fn opened(incoming: &mut mpsc::Receiver<Incoming>, asked: &ExecRequest) -> Option<Numbers> {
    // No stream of SPDY has the number 0.
    let mut numbers = Numbers { stdin: 0, stdout: 0, stderr: 0, error: 0, resize: 0 };
    let wanted = 1 + [asked.stdin, asked.stdout, asked.stderr, asked.tty].into_iter().filter(|wanted| *wanted).count();
    for _ in 0..wanted {
        let Incoming::Open(number, headers) = incoming.recv().await? else { return None };
        let kind = headers.iter().find(|(name, _)| name == "streamtype").map(|(_, value)| value.as_str());
        match kind? {
            "stdin" => numbers.stdin = number,
            "stdout" => numbers.stdout = number,
            "stderr" => numbers.stderr = number,
            "error" => numbers.error = number,
            "resize" => numbers.resize = number,
            _ => return None,
        }
    }
    Some(numbers)
}

/// Connects client and process until one of them ends. The exit code, or None when the client has gone (the session
/// is dropped then, and a process started by `exec` with it).
async fn converse(session: Session, wire: Wire, numbers: Numbers) -> Option<i32> {
    let Session { stdin, stdout, stderr, resize, mut exit } = session;
    let Wire { mut incoming, outgoing } = wire;
    let (ended, has_ended) = watch::channel(false);
    let input = async {
        let mut stdin = stdin;
        while let Some(event) = incoming.recv().await {
            match event {
                Incoming::Data(number, bytes) if number == numbers.stdin => {
                    if let Some(open) = &mut stdin
                        && (open.write_all(&bytes).await.is_err() || open.flush().await.is_err())
                    {
                        stdin = None;
                    }
                }
                Incoming::Data(number, bytes) if number == numbers.resize => {
                    if let (Some(resize), Ok(size)) = (&resize, serde_json::from_slice::<Size>(&bytes)) {
                        // A process that has ended needs no size.
                        let _unheard = resize.send((size.width, size.height)).await;
                    }
                }
                Incoming::End(number) if number == numbers.stdin => stdin = None,
                _ => {}
            }
        }
    };
    let output = async {
        let copies = async {
            // What went wrong is told before the output's end, after which `kubectl cp` no longer listens.
            tokio::join!(
                biased;
                copy(stderr, numbers.stderr, &outgoing, has_ended.clone()),
                copy(stdout, numbers.stdout, &outgoing, has_ended.clone())
            )
        };
        let end = async {
            let end = (&mut exit).await;
            ended.send_replace(true);
            end
        };
        let (_, end) = tokio::join!(copies, end);
        end.ok().map(|exit| exit.code())
    };
    tokio::select! {
        () = input => None,
        code = output => code,
    }
}

#[derive(Deserialize)]
struct Size {
    #[serde(rename = "Width", alias = "width")]
    width: u16,
    #[serde(rename = "Height", alias = "height")]
    height: u16,
}

/// Sends what a process prints, to its end; after the process's own end only while there is something to read.
async fn copy(
    stream: Option<Pin<Box<dyn AsyncRead + Send>>>,
    number: u32,
    outgoing: &mpsc::Sender<Outgoing>,
    mut ended: watch::Receiver<bool>,
) {
    let Some(mut stream) = stream else { return };
    let mut buffer = BytesMut::with_capacity(PIECE);
    let mut quiet = Box::pin(async move {
        // A lost sender is an end, too.
        let _lost = ended.wait_for(|ended| *ended).await.is_err();
    });
    let mut is_ended = false;
    loop {
        let read = stream.read_buf(&mut buffer);
        let count = if is_ended {
            time::timeout(LINGER, read).await.unwrap_or(Ok(0))
        } else {
            tokio::select! {
                count = read => count,
                () = &mut quiet => {
                    is_ended = true;
                    continue;
                }
            }
        };
        // A terminal whose last user has gone ends with an error.
        if count.unwrap_or(0) == 0 {
            break;
        }
        if outgoing.send(Outgoing::Data(number, buffer.split().freeze())).await.is_err() {
            return;
        }
        buffer.reserve(PIECE);
    }
    // The client may have gone.
    let _unheard = outgoing.send(Outgoing::End(number)).await;
}

/// What the error stream says at the end. Of an attached process only that the conversation went well.
fn outcome(is_exec: bool, command: &str, code: i32) -> Value {
    if code == 0 || !is_exec {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: error executing command [{command}], exit code {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
    })
}
