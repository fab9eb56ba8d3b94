//! `portforward`: connections to ports of a pod, each with a stream of data and one for an error.

use std::{collections::HashMap, time::Duration};

use bytes::{Bytes, BytesMut};
use http::Request;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time,
};

use super::{
    spdy,
    upgrade::{self, Upgrade},
    wire::{self, Incoming, Outgoing, PIECE, Wire},
};
use crate::{
    api::http::{Response, target::Query},
    node::access::{SharedAccess, Target},
    status::Status,
};

const NUMBERED: &str = "v4.channel.k8s.io";
const WEBSOCKET: &[&str] = &["SPDY/3.1+portforward.k8s.io", NUMBERED];
const SPDY: &[&str] = &["portforward.k8s.io"];

/// Switches protocols. The ports come by SPDY later, one with each connection; else they are in the query.
pub(super) fn answer<B>(
    request: &mut Request<B>,
    access: SharedAccess,
    target: Target,
    query: &Query,
) -> Result<Response, Status> {
    let upgrade = Upgrade::of(request, WEBSOCKET, SPDY)?;
    let numbered = upgrade.protocol == NUMBERED;
    let ports: Vec<u16> = if numbered { ports(query)? } else { Vec::new() };
    let is_websocket = upgrade.websocket;
    let (response, pending) = upgrade.accept();
    tokio::spawn(async move {
        let Ok(upgraded) = pending.await else { return };
        let wire = connect(upgraded, is_websocket, numbered).await;
        let Wire { incoming, outgoing } = wire;
        let mut forwards = Forwards { access, target, outgoing, data: HashMap::new(), running: JoinSet::new() };
        for (index, port) in (0..).zip(ports) {
            if !forwards.announce(2 * index, port).await {
                return;
            }
            forwards.start(port, 2 * index, 2 * index + 1);
        }
        forwards.run(incoming, numbered).await;
    });
    Ok(response)
}

fn ports(query: &Query) -> Result<Vec<u16>, Status> {
    let parse = |text: &str| {
        text.parse().ok().filter(|port| *port > 0).ok_or_else(|| Status::bad_request(format!("invalid port {text:?}")))
    };
    let ports: Vec<u16> = query.all("ports").flat_map(|list| list.split(',')).map(parse).collect::<Result<_, _>>()?;
    // Two streams each, and their numbers are one byte.
    if ports.is_empty() || ports.len() > 100 {
        return Err(Status::bad_request("query parameter \"ports\" must name 1 to 100 ports"));
    }
    Ok(ports)
}

async fn connect(upgraded: Upgraded, websocket: bool, numbered: bool) -> Wire {
    match (websocket, numbered) {
        (true, true) => wire::numbered(upgrade::websocket(upgraded).await),
        (true, false) => spdy::streams(wire::tunnel(upgrade::websocket(upgraded).await)),
        (false, _) => spdy::streams(TokioIo::new(upgraded)),
    }
}

/// All connections of one client.
struct Forwards {
    access: SharedAccess,
    target: Target,
    outgoing: mpsc::Sender<Outgoing>,
    /// By the number of the data stream: what the client sends there.
    data: HashMap<u32, mpsc::Sender<Bytes>>,
    running: JoinSet<()>,
}

impl Forwards {
    /// Opens a pair of numbered streams with their port. False when the client has gone.
    async fn announce(&self, first: u32, port: u16) -> bool {
        let text = Bytes::copy_from_slice(&port.to_le_bytes());
        let data = self.outgoing.send(Outgoing::Data(first, text.clone())).await;
        data.is_ok() && self.outgoing.send(Outgoing::Data(first + 1, text)).await.is_ok()
    }

    fn start(&mut self, port: u16, data: u32, error: u32) {
        let (sender, receiver) = mpsc::channel(16);
        self.data.insert(data, sender);
        let (access, target, outgoing) = (self.access.clone(), self.target.clone(), self.outgoing.clone());
        self.running.spawn(async move {
            let pod = target.pod.clone();
            match access.dial(target, port).await {
                Ok(socket) => copy(socket, receiver, data, &outgoing).await,
                Err(status) => {
                    let text = format!("error forwarding port {port} to pod {pod}, uid : {status}");
                    // For this and the rest: a client that has gone needs no answer.
                    let _unheard = outgoing.send(Outgoing::Data(error, Bytes::from(text))).await;
                    let _unheard = outgoing.send(Outgoing::End(data)).await;
                }
            }
            let _unheard = outgoing.send(Outgoing::End(error)).await;
        });
    }

    /// Serves until the client goes; one with a fixed set of ports, also until all their connections have ended.
    async fn run(mut self, mut incoming: mpsc::Receiver<Incoming>, numbered: bool) {
        // By request: the error stream, which comes first.
        let mut begun: HashMap<String, u32> = HashMap::new();
        loop {
            let event = tokio::select! {
                event = incoming.recv() => event,
                done = self.running.join_next(), if !self.running.is_empty() => {
                    if done.is_some() && numbered && self.running.is_empty() {
                        return;
                    }
                    continue;
                }
            };
            match event {
                None => return,
                Some(Incoming::Open(number, headers)) => {
                    let header =
                        |key: &str| headers.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
                    let request = header("requestid").unwrap_or_default();
                    let port = header("port").and_then(|port| port.parse().ok());
                    match (header("streamtype"), port) {
                        (Some("error"), _) => drop(begun.insert(request.to_owned(), number)),
                        (Some("data"), Some(port)) => {
                            let Some(error) = begun.remove(request) else { continue };
                            self.start(port, number, error);
                        }
                        _ => {
                            let _unheard = self.outgoing.send(Outgoing::End(number)).await;
                        }
                    }
                }
                Some(Incoming::Data(number, bytes)) => {
                    if let Some(data) = self.data.get(&number)
                        && data.send(bytes).await.is_err()
                    {
                        self.data.remove(&number);
                    }
                }
                Some(Incoming::End(number)) => drop(self.data.remove(&number)),
            }
        }
    }
}

/// How long the client may still send when the pod has closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Copies both ways until the pod has closed its end.
async fn copy(socket: TcpStream, mut from: mpsc::Receiver<Bytes>, number: u32, to: &mpsc::Sender<Outgoing>) {
    let (mut read, mut write) = socket.into_split();
    let inward = async {
        while let Some(bytes) = from.recv().await {
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The pod may have closed first.
        let _closed = write.shutdown().await;
    };
    let outward = async {
        let mut buffer = BytesMut::with_capacity(PIECE);
        while let Ok(1..) = read.read_buf(&mut buffer).await {
            if to.send(Outgoing::Data(number, buffer.split().freeze())).await.is_err() {
                return;
            }
            buffer.reserve(PIECE);
        }
        // The client learns at once; he may have something left to say.
        let _unheard = to.send(Outgoing::End(number)).await;
    };
    tokio::pin!(inward, outward);
    tokio::select! {
        () = &mut inward => outward.await,
        () = &mut outward => {
            let _late = time::timeout(FAREWELL, inward).await;
        }
    }
}
