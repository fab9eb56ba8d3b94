//! gRPC, both ends. The service is written by hand: a message of text and number, and a method for each form of call.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures::{Stream, StreamExt, stream};
use http::uri::PathAndQuery;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Code, Request, Response, Status, Streaming,
    body::Body,
    server::NamedService,
    transport::{Channel, Server},
};
use tonic_prost::ProstCodec;

use crate::GRPC;

/// How many messages a stream has.
const MANY: u32 = 1000;
/// How many times the two sides of a conversation answer each other.
const TURNS: u32 = 100;

/// The one message.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Note {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(uint32, tag = "2")]
    number: u32,
}

type Codec = ProstCodec<Note, Note>;
type Notes = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;

#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "lateen.Echo";
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Codec::new());
            Ok(match request.uri().path() {
                "/lateen.Echo/Say" => grpc.unary(tower::service_fn(say), request).await,
                "/lateen.Echo/Sleep" => grpc.unary(tower::service_fn(sleep), request).await,
                "/lateen.Echo/Count" => grpc.server_streaming(tower::service_fn(count), request).await,
                "/lateen.Echo/Converse" => grpc.streaming(tower::service_fn(converse), request).await,
                path => Status::unimplemented(path.to_owned()).into_http(),
            })
        })
    }
}

async fn say(request: Request<Note>) -> Result<Response<Note>, Status> {
    let note = request.into_inner();
    if note.text.is_empty() { Err(Status::not_found("nothing was said")) } else { Ok(Response::new(note)) }
}

/// Sleeps for so many milliseconds, and tells the deadline that it was given.
async fn sleep(request: Request<Note>) -> Result<Response<Note>, Status> {
    let deadline = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
    let text = deadline.unwrap_or_default().to_owned();
    let number = request.into_inner().number;
    tokio::time::sleep(Duration::from_millis(number.into())).await;
    Ok(Response::new(Note { text, number }))
}

async fn count(request: Request<Note>) -> Result<Response<Notes>, Status> {
    let Note { text, number } = request.into_inner();
    let notes = (0..number).map(move |number| Ok(Note { text: text.clone(), number }));
    Ok(Response::new(Box::pin(stream::iter(notes))))
}

async fn converse(request: Request<Streaming<Note>>) -> Result<Response<Notes>, Status> {
    let next = |note: Note| Note { number: note.number + 1, ..note };
    Ok(Response::new(Box::pin(request.into_inner().map(move |note| note.map(next)))))
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    Ok(Server::builder().add_service(Echo).serve_with_incoming(TcpListenerStream::new(listener)).await?)
}

struct Client {
    grpc: tonic::client::Grpc<Channel>,
}

impl Client {
    async fn connect(host: &str) -> Result<Self> {
        let channel = Channel::from_shared(format!("http://{host}:{GRPC}"))?.connect().await?;
        Ok(Self { grpc: tonic::client::Grpc::new(channel) })
    }

    async fn unary(&mut self, method: &'static str, request: Request<Note>) -> Result<Note, Status> {
        self.grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static(method);
        self.grpc.unary(request, path, Codec::new()).await.map(Response::into_inner)
    }
}

fn note(text: &str, number: u32) -> Note {
    Note { text: text.to_owned(), number }
}

/// One message each way, and a failure with its reason.
pub(crate) async fn unary(host: &str) -> Result<()> {
    let mut client = Client::connect(host).await?;
    let said = note(&"hello".repeat(1000), 7);
    let heard = client.unary("/lateen.Echo/Say", Request::new(said.clone())).await?;
    ensure!(heard == said, "the answer is not what was said");
    let failed = client.unary("/lateen.Echo/Say", Request::new(note("", 0))).await;
    let status = failed.err().context("nothing was said, and answered")?;
    ensure!((status.code(), status.message()) == (Code::NotFound, "nothing was said"), "the status is {status:?}");
    Ok(())
}

/// All messages come, in their order.
pub(crate) async fn server_stream(host: &str) -> Result<()> {
    let mut client = Client::connect(host).await?;
    client.grpc.ready().await?;
    let path = PathAndQuery::from_static("/lateen.Echo/Count");
    let answer = client.grpc.server_streaming(Request::new(note("tick", MANY)), path, Codec::new()).await?;
    let mut notes = answer.into_inner();
    for number in 0..MANY {
        let heard = notes.message().await?.with_context(|| format!("the stream ended before message {number}"))?;
        ensure!(heard == note("tick", number), "message {number} is {heard:?}");
    }
    ensure!(notes.message().await?.is_none(), "the stream does not end");
    Ok(())
}

/// Each side waits for the other's message: nothing may be held back on the way.
pub(crate) async fn bidi(host: &str) -> Result<()> {
    let mut client = Client::connect(host).await?;
    client.grpc.ready().await?;
    let (say, said) = mpsc::channel(1);
    say.send(note("turn", 0)).await?;
    let path = PathAndQuery::from_static("/lateen.Echo/Converse");
    let answer = client.grpc.streaming(Request::new(ReceiverStream::new(said)), path, Codec::new()).await?;
    let mut notes = answer.into_inner();
    for turn in 1..=TURNS {
        let heard = notes.message().await?.with_context(|| format!("the stream ended before turn {turn}"))?;
        ensure!(heard == note("turn", turn), "turn {turn} is {heard:?}");
        if turn < TURNS {
            say.send(heard).await?;
        }
    }
    drop(say);
    ensure!(notes.message().await?.is_none(), "the stream does not end");
    Ok(())
}

/// A deadline reaches the server; a call that misses it ends then.
pub(crate) async fn deadline(host: &str) -> Result<()> {
    let mut client = Client::connect(host).await?;
    let mut request = Request::new(note("", 10));
    request.set_timeout(Duration::from_secs(20));
    let heard = client.unary("/lateen.Echo/Sleep", request).await?;
    ensure!(!heard.text.is_empty(), "the server was told no deadline");
    let mut request = Request::new(note("", 30_000));
    request.set_timeout(Duration::from_millis(300));
    let started = Instant::now();
    let missed = client.unary("/lateen.Echo/Sleep", request).await.err().context("a call outlived its deadline")?;
    // Client, server and both proxies watch the clock; who is first chooses the words. Envoy's are these.
    let is_envoys = missed.code() == Code::Unavailable && missed.message() == "upstream request timeout";
    let is_late = is_envoys || matches!(missed.code(), Code::DeadlineExceeded | Code::Cancelled);
    ensure!(is_late, "the status is {missed:?}");
    ensure!(started.elapsed() < Duration::from_secs(10), "the call ended only after {:?}", started.elapsed());
    Ok(())
}
