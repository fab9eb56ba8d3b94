//! The task of a client: connect, converse, wait, again.

use std::{error::Error, sync::Arc};

use mesh_proto::envoy::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse,
        aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::{
    Dial, DialError, Fault, Settings,
    events::{Event, Settled, Update},
};
use crate::machine::{Sink, Wanted};

/// The first answer of a big mesh is big.
const LARGEST_RESPONSE: usize = 256 << 20;

/// Whoever held the other end of a channel is gone: the client is not needed any more.
struct Unneeded;

enum End {
    Unneeded,
    Lost { reason: String, was_useful: bool },
}

impl From<Unneeded> for End {
    fn from(_: Unneeded) -> Self {
        Self::Unneeded
    }
}

struct Client {
    node: Node,
    sink: Sink,
    wished: mpsc::UnboundedReceiver<(String, Wanted)>,
    events: mpsc::Sender<Event>,
    settled: mpsc::UnboundedReceiver<Settled>,
    verdicts: mpsc::UnboundedSender<Settled>,
    /// Number of the stream; a verdict on a response of an earlier one is not sent.
    stream: u64,
}

/// The requests of one stream; the first carries the node.
struct Requests {
    queue: mpsc::UnboundedSender<DeltaDiscoveryRequest>,
    node: Option<Node>,
}

impl Requests {
    fn send(&mut self, mut request: DeltaDiscoveryRequest) {
        request.node = self.node.take();
        // A stream that broke is noticed where it is read.
        drop(self.queue.send(request));
    }
}

pub(super) async fn run(
    dial: Arc<dyn Dial>,
    settings: Settings,
    wished: mpsc::UnboundedReceiver<(String, Wanted)>,
    events: mpsc::Sender<Event>,
) {
    let (verdicts, settled) = mpsc::unbounded_channel();
    let mut backoff = settings.backoff;
    let mut client = Client { node: settings.node, sink: Sink::new(), wished, events, settled, verdicts, stream: 0 };
    let mut failures = 0;
    loop {
        let (reason, was_useful) = match client.attempt(&*dial).await {
            End::Unneeded => return,
            End::Lost { reason, was_useful } => (reason, was_useful),
        };
        failures = if was_useful { 0 } else { failures };
        if client.tell(Event::Lost { reason }).await.is_err() {
            return;
        }
        let wait = tokio::time::sleep(backoff.wait(failures));
        failures = failures.saturating_add(1);
        if client.meanwhile(wait).await.is_err() {
            return;
        }
    }
}

impl Client {
    async fn attempt(&mut self, dial: &dyn Dial) -> End {
        let dialled = self.meanwhile(dial.dial()).await;
        match dialled {
            Err(Unneeded) => End::Unneeded,
            Ok(Err(error)) => End::Lost { reason: sentence(&error), was_useful: false },
            Ok(Ok(channel)) => match self.converse(channel).await {
                Ok(never) => never,
                Err(end) => end,
            },
        }
    }

    /// Awaits something while wishes and late verdicts are taken in.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Unneeded> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                wish = self.wished.recv() => {
                    let (type_url, wanted) = wish.ok_or(Unneeded)?;
                    // Said in the opening of the stream to come.
                    drop(self.sink.want(&type_url, wanted));
                }
                () = self.events.closed() => return Err(Unneeded),
            }
        }
    }

    async fn converse(&mut self, channel: Channel) -> Result<End, End> {
        let (queue, queued) = mpsc::unbounded_channel();
        let mut requests = Requests { queue, node: Some(self.node.clone()) };
        self.stream += 1;
        self.take_late_verdicts();
        self.sink.opening().into_iter().for_each(|request| requests.send(request));
        let mut service = AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(LARGEST_RESPONSE);
        let opening = service.delta_aggregated_resources(UnboundedReceiverStream::new(queued));
        tokio::pin!(opening);
        // Some servers send no headers before their first response, so wishes must get through before them.
        let responses = loop {
            tokio::select! {
                opened = &mut opening => break opened.map_err(|status| lost(&status, false))?.into_inner(),
                wish = self.wished.recv() => self.wish(wish, &mut requests)?,
                () = self.events.closed() => return Err(End::Unneeded),
            }
        };
        self.tell(Event::Connected).await?;
        self.follow(responses, requests).await
    }

    async fn follow(
        &mut self,
        mut responses: Streaming<DeltaDiscoveryResponse>,
        mut requests: Requests,
    ) -> Result<End, End> {
        let mut was_useful = false;
        loop {
            tokio::select! {
                response = responses.message() => {
                    let Some(response) = response.map_err(|status| lost(&status, was_useful))? else {
                        return Ok(End::Lost { reason: "the server ended the stream".to_owned(), was_useful });
                    };
                    was_useful = true;
                    let (changed, receipt) = self.sink.read(response);
                    let update = Update::new(changed, receipt, self.stream, self.verdicts.clone());
                    self.tell(Event::Update(update)).await?;
                }
                wish = self.wished.recv() => self.wish(wish, &mut requests)?,
                Some(settled) = self.settled.recv() => {
                    let is_ours = settled.stream == self.stream;
                    let answer = self.settle(&settled);
                    if is_ours {
                        requests.send(answer);
                    }
                }
                () = self.events.closed() => return Err(End::Unneeded),
            }
        }
    }

    fn wish(&mut self, wish: Option<(String, Wanted)>, requests: &mut Requests) -> Result<(), Unneeded> {
        let (type_url, wanted) = wish.ok_or(Unneeded)?;
        if let Some(request) = self.sink.want(&type_url, wanted) {
            requests.send(request);
        }
        Ok(())
    }

    fn settle(&mut self, settled: &Settled) -> DeltaDiscoveryRequest {
        match &settled.verdict {
            Ok(()) => self.sink.settle(&settled.receipt, &[], None),
            Err(Fault::Resources(refused)) => self.sink.settle(&settled.receipt, refused, None),
            Err(Fault::Whole(reason)) => self.sink.settle(&settled.receipt, &[], Some(reason)),
        }
    }

    /// What was accepted after its stream had ended is held all the same, and is said in the next opening.
    fn take_late_verdicts(&mut self) {
        while let Ok(settled) = self.settled.try_recv() {
            drop(self.settle(&settled));
        }
    }

    async fn tell(&self, event: Event) -> Result<(), Unneeded> {
        self.events.send(event).await.map_err(|_| Unneeded)
    }
}

fn lost(status: &Status, was_useful: bool) -> End {
    End::Lost { reason: format!("{:?}: {}", status.code(), status.message()), was_useful }
}

/// An error with its causes.
fn sentence(error: &DialError) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
