//! `lateen-load`: sends requests and counts what comes back; the program in the client pods of the promises.
//!
//! Prints one line of JSON (`e2e::mesh::Tally`): statuses, groups (the first capture of `--group` in the body),
//! failures by what went wrong, and percentiles of the time to the last byte.

use std::{
    collections::BTreeMap,
    io::Write,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Parser;
use e2e::mesh::Tally;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use regex::Regex;

/// Sends requests and counts what comes back.
#[derive(Parser)]
struct Options {
    /// Where to.
    url: String,
    /// `NAME: VALUE`, as often as wanted.
    #[arg(long = "header", short = 'H')]
    headers: Vec<String>,
    /// GET, POST, ...
    #[arg(long, default_value = "GET")]
    method: String,
    /// How many requests in all; 0: until the time is over.
    #[arg(long, short = 'n', default_value_t = 100)]
    count: u64,
    /// The most seconds that it may take.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Stop when this file is there: whoever disturbs the mesh meanwhile has finished.
    #[arg(long)]
    until: Option<PathBuf>,
    /// How many requests are under way at once.
    #[arg(long, short = 'c', default_value_t = 4)]
    concurrency: usize,
    /// Requests per second in all; 0: as fast as answers come.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Answers are counted by what this pattern's first group finds in the body.
    #[arg(long)]
    group: Option<Regex>,
    /// An answer whose body lacks this is a failure; as often as wanted.
    #[arg(long)]
    expect: Vec<String>,
    /// Each request on a connection of its own.
    #[arg(long)]
    no_keepalive: bool,
}

/// What all senders share.
struct Load {
    options: Options,
    request: Request<Full<Bytes>>,
    client: Client<HttpConnector, Full<Bytes>>,
    started: Instant,
    next: AtomicU64,
    seen: Mutex<(Tally, Vec<Duration>)>,
}

/// One answer.
struct Answer {
    status: u16,
    body: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let pause = watch_clock();
    let mut request = Request::builder().method(options.method.as_str()).uri(&options.url);
    for header in &options.headers {
        let (name, value) = header.split_once(':').context("a header is NAME: VALUE")?;
        request = request.header(HeaderName::try_from(name.trim())?, HeaderValue::try_from(value.trim())?);
    }
    let idle = if options.no_keepalive { 0 } else { options.concurrency };
    let load = Arc::new(Load {
        request: request.body(Full::default())?,
        client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(idle).build_http(),
        started: Instant::now(),
        next: AtomicU64::new(0),
        seen: Mutex::default(),
        options,
    });
    let senders: Vec<_> = (0..load.options.concurrency).map(|_| tokio::spawn(send_all(load.clone()))).collect();
    for sender in senders {
        sender.await?;
    }
    let (mut tally, mut times) = std::mem::take(&mut *load.seen.lock().unwrap_or_else(PoisonError::into_inner));
    times.sort();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    (tally.p50_ms, tally.p99_ms) = (at(0.5), at(0.99));
    tally.seconds = load.started.elapsed().as_secs_f64();
    tally.longest_pause_ms = pause.load(Ordering::Relaxed);
    Ok(writeln!(std::io::stdout(), "{}", serde_json::to_string(&tally)?)?)
}

/// Watches from a thread of its own how long at most this machine let nobody run, in milliseconds.
fn watch_clock() -> Arc<AtomicU64> {
    const TICK: Duration = Duration::from_millis(20);
    let longest = Arc::new(AtomicU64::new(0));
    let noted = longest.clone();
    thread::spawn(move || {
        loop {
            let slept = Instant::now();
            thread::sleep(TICK);
            let late = slept.elapsed().saturating_sub(TICK).as_millis();
            noted.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    });
    longest
}

async fn send_all(load: Arc<Load>) {
    let options = &load.options;
    let end = load.started + Duration::from_secs_f64(options.seconds);
    loop {
        let number = load.next.fetch_add(1, Ordering::Relaxed);
        if options.count > 0 && number >= options.count {
            return;
        }
        if options.rate > 0.0 {
            tokio::time::sleep_until((load.started + Duration::from_secs_f64(number as f64 / options.rate)).into())
                .await;
        }
        if Instant::now() >= end || options.until.as_ref().is_some_and(|file| file.exists()) {
            return;
        }
        let sent = Instant::now();
        let answer = tokio::time::timeout(Duration::from_secs(15), load.send()).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer within 15 s".to_owned()));
        load.note(answer, sent.elapsed());
    }
}

impl Load {
    async fn send(&self) -> Result<Answer, String> {
        let response = self.client.request(self.request.clone()).await.map_err(|error| reason(&error))?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| reason(&error))?.to_bytes();
        Ok(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    fn note(&self, answer: Result<Answer, String>, took: Duration) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (tally, times) = &mut *seen;
        tally.sent += 1;
        times.push(took);
        let fail = |failures: &mut BTreeMap<String, u64>, why: String| *failures.entry(why).or_default() += 1;
        match answer {
            Err(why) => fail(&mut tally.failures, why),
            Ok(answer) => {
                *tally.statuses.entry(answer.status).or_default() += 1;
                for missing in self.options.expect.iter().filter(|text| !answer.body.contains(text.as_str())) {
                    fail(&mut tally.failures, format!("{}: the body lacks `{missing}`", answer.status));
                }
                if let Some(found) = self.options.group.as_ref().and_then(|g| g.captures(&answer.body)?.get(1)) {
                    *tally.groups.entry(found.as_str().to_owned()).or_default() += 1;
                }
            }
        }
    }
}

/// An error with its causes on one line.
fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
