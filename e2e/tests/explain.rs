//! Promise: `lateenctl explain` says of a request what the live proxy does with it: the same chain, route and cluster, and
//! an endpoint of those that it names.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::{Cluster, Space, ctl::lateenctl, eventually};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{AttachParams, LogParams};
use regex::Regex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const REQUESTS: usize = 1_000;
/// Envoy writes its log at least every ten seconds.
const LOGGED: Duration = Duration::from_secs(30);
const CALLER: &str = "client";

#[tokio::test]
async fn explain_agrees_with_the_live_proxy() -> Result<()> {
    let Some((cluster, _)) = Cluster::with_mesh("explain_agrees_with_the_live_proxy").await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.bookinfo().await?;
            space.caller(CALLER).await?;
            space.apply_text(&routes(&space.name))?;
            let requests = requests(&space.name);
            let explained = eventually("the proxy has what is explained", LOGGED, async || {
                let explained = explain(&space, &requests).await?;
                let behind: Vec<&Value> = explained.iter().filter(|e| e["behind"] != json!([])).collect();
                ensure!(behind.is_empty(), "{}", behind[0]["behind"]);
                // Until pilot has heard of the routes, proxy and explanation agree on what was before.
                every_kind_of_end_was_seen(&explained)?;
                Ok(Some(explained))
            })
            .await?;
            send(&space, &requests).await?;
            let lines = eventually("every request is in the log", LOGGED, async || {
                let lines = lines(&space).await?;
                ensure!(lines.len() == REQUESTS, "{} of {REQUESTS} are there", lines.len());
                Ok(Some(lines))
            })
            .await?;
            let differ: Vec<String> = requests
                .iter()
                .zip(&explained)
                .filter_map(|(request, told)| {
                    let line = &lines[&request.id];
                    line.differs(told).map(|how| format!("{request:?}: {how}\n  explained: {told}\n  logged: {line:?}"))
                })
                .collect();
            ensure!(differ.is_empty(), "{} of {REQUESTS} differ, such as {}", differ.len(), differ[0]);
            Ok(())
        })
        .await
}

/// A request that is sent and explained.
#[derive(Debug)]
struct Request {
    id: String,
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
}

/// What the proxy's access log says of a request.
#[derive(Debug)]
struct Line {
    code: String,
    flags: String,
    upstream: String,
    cluster: String,
    destination: String,
    route: String,
}

/// Routes of every sort, each with a name.
fn routes(namespace: &str) -> String {
    let to = |subset: &str| json!([{"destination": {"host": "reviews", "subset": subset}}]);
    let whole = |host: &str| json!([{"destination": {"host": host}}]);
    let object = |name: &str, host: &str, http: Value| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": name, "namespace": namespace}, "spec": {"hosts": [host], "http": http},
        })
        .to_string()
    };
    let reviews = json!([
        {"name": "jason", "match": [{"headers": {"end-user": {"exact": "jason"}}}], "route": to("v2")},
        {"name": "by-path", "match": [{"uri": {"prefix": "/reviews/1"}, "method": {"exact": "GET"}}], "route": to("v3")},
        {"name": "by-query", "match": [{"queryParams": {"v": {"regex": "[0-9]+"}}}], "route": to("v1"), "rewrite": {"uri": "/x"}},
        {"name": "lost", "match": [{"headers": {"x-lost": {}}}], "route": to("v9")},
        {"name": "rest", "match": [{"withoutHeaders": {"x-odd": {"prefix": "odd"}}}], "route": [
            {"destination": {"host": "reviews", "subset": "v1"}, "weight": 60},
            {"destination": {"host": "reviews", "subset": "v2"}, "weight": 40},
        ]},
    ]);
    let details = json!([
        {"name": "moved", "match": [{"uri": {"exact": "/moved"}}], "redirect": {"uri": "/details/0"}},
        {"name": "gone", "match": [{"uri": {"regex": "/gone/.*"}}], "directResponse": {"status": 410}},
        {"name": "case", "match": [{"uri": {"prefix": "/DETAILS"}, "ignoreUriCase": true}], "route": whole("details")},
        {"name": "other", "match": [{"authority": {"prefix": "details."}}], "route": whole("ratings")},
    ]);
    [object("reviews", "reviews", reviews), object("details", "details", details)].join("\n---\n")
}

/// Random requests, the same in every run.
fn requests(namespace: &str) -> Vec<Request> {
    let mut state = 0_u64;
    let mut pick = move |count: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % count
    };
    let paths =
        ["/reviews/0", "/reviews/1", "/reviews/1?v=7", "/", "/details/0", "/Details/1", "/moved", "/gone/x", "/x?v=b"];
    let request = |index: usize| {
        let service = ["reviews", "details", "ratings", "reviews", "details", "nobody"][pick(6)];
        let host = match (service, pick(4)) {
            // Some name that the mesh does not know leads to a service of it.
            ("nobody", _) | (_, 0 | 1) => service.to_owned(),
            (_, 2) => format!("{service}.{namespace}"),
            _ => format!("{service}.{namespace}.svc.cluster.local"),
        };
        let mut headers = vec![("x-request-id", format!("explain-{index}"))];
        let dialled = if service == "nobody" { "ratings".to_owned() } else { host.clone() };
        if service == "nobody" {
            headers.push(("host", "nobody.example.com".to_owned()));
        }
        for (name, values) in [
            ("end-user", &["jason", "jasonx", "", ""][..]),
            ("x-lost", &["1", "", "", "", ""]),
            ("x-odd", &["odd-one", "even", "", ""]),
        ] {
            let value = values[pick(values.len())];
            if !value.is_empty() {
                headers.push((name, value.to_owned()));
            }
        }
        Request {
            id: format!("explain-{index}"),
            method: ["GET", "GET", "POST", "DELETE"][pick(4)],
            url: format!("http://{dialled}:9080{}", paths[pick(paths.len())]),
            headers,
        }
    };
    (0..REQUESTS).map(request).collect()
}

/// One explanation for each request, in order.
async fn explain(space: &Space, requests: &[Request]) -> Result<Vec<Value>> {
    let line = |request: &Request| {
        let headers: BTreeMap<&str, &String> = request.headers.iter().map(|(name, value)| (*name, value)).collect();
        json!({"method": request.method, "url": request.url, "headers": headers}).to_string()
    };
    let input = requests.iter().map(line).collect::<Vec<_>>().join("\n");
    let caller = format!("{CALLER}.{}", space.name);
    let lines = lateenctl(&["explain", &caller, "--batch", "-", "-o", "json"], &input).await?;
    let told: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    ensure!(told.len() == requests.len(), "{} explanations", told.len());
    Ok(told)
}

/// Sends all requests in one run of curl, which reads them from its standard input.
async fn send(space: &Space, requests: &[Request]) -> Result<()> {
    let config = requests.iter().map(|request| {
        let headers: String = request.headers.iter().map(|(n, v)| format!("header = \"{n}: {v}\"\n")).collect();
        format!(
            "url = \"{}\"\nrequest = {}\n{headers}output = /dev/null\nsilent\nmax-time = 10\n",
            request.url, request.method
        )
    });
    let config = config.collect::<Vec<_>>().join("next\n");
    let options = AttachParams::default().container("caller").stdin(true).stdout(true).stderr(true);
    let mut process = space.api::<Pod>().exec(CALLER, ["curl", "-K", "-"], &options).await?;
    let mut stdin = process.stdin().context("no standard input")?;
    let mut stderr = process.stderr().context("no standard error")?;
    let status = process.take_status().context("no status")?;
    stdin.write_all(config.as_bytes()).await?;
    stdin.shutdown().await?;
    drop(stdin);
    let mut said = String::new();
    stderr.read_to_string(&mut said).await?;
    let status = status.await.context("curl ended without a status")?;
    ensure!(status.status.as_deref() == Some("Success"), "curl: {said} {:?}", status.message);
    Ok(())
}

/// The log's lines of these requests, by their ids.
async fn lines(space: &Space) -> Result<BTreeMap<String, Line>> {
    let shape = Regex::new(concat!(
        r#"(?m)^\[[^\]]*\] "[^"]*" (?<code>\d+) (?<flags>\S+) .*"(?<id>explain-\d+)" "[^"]*" "(?<upstream>[^"]*)" "#,
        r"(?<cluster>\S+) \S+ (?<destination>\S+) \S+ \S+ (?<route>\S+)(?: reason=.*)?$",
    ))?;
    let options = LogParams { container: Some("istio-proxy".to_owned()), ..LogParams::default() };
    let log = space.api::<Pod>().logs(CALLER, &options).await?;
    let line = |found: regex::Captures<'_>| {
        let text = |name: &str| found[name].to_owned();
        let line = Line {
            code: text("code"),
            flags: text("flags"),
            upstream: text("upstream"),
            cluster: text("cluster"),
            destination: text("destination"),
            route: text("route"),
        };
        (text("id"), line)
    };
    Ok(shape.captures_iter(&log).map(line).collect())
}

impl Line {
    /// How the log says otherwise than the explanation.
    fn differs(&self, told: &Value) -> Option<String> {
        // Only HTTP has lines like these: the chain is the one that reads HTTP at the address that was dialled.
        if told["filterChain"]["readsHttp"] != true || told["destination"] != self.destination.as_str() {
            return Some("another chain".to_owned());
        }
        let route = told["route"]["name"].as_str().unwrap_or("-");
        if route != self.route {
            return Some(format!("route {} instead of {route}", self.route));
        }
        let clusters = told["clusters"].as_array().into_iter().flatten();
        let cluster = clusters.clone().find(|cluster| cluster["name"] == self.cluster.as_str());
        if let Some(code) = told["code"].as_str() {
            let (status, flag) = code.split_once(' ').unwrap_or((code, "-"));
            let same = self.code == status && self.flags == flag;
            return (!same).then(|| format!("{} {} instead of {code}", self.code, self.flags));
        }
        let Some(cluster) = cluster else { return Some(format!("cluster {}", self.cluster)) };
        let mut endpoints = cluster["endpoints"].as_array().into_iter().flatten();
        let among = endpoints.any(|endpoint| endpoint["address"] == self.upstream.as_str());
        (!among).then(|| format!("endpoint {}", self.upstream))
    }
}

/// Agreement about one route only would prove little.
fn every_kind_of_end_was_seen(explained: &[Value]) -> Result<()> {
    for route in
        ["jason", "by-path", "by-query", "lost", "rest", "moved", "gone", "case", "other", "default", "allow_any"]
    {
        let seen = explained.iter().filter(|told| told["route"]["name"] == route).count();
        ensure!(seen > 4, "route {route} was explained {seen} times");
    }
    for code in ["404 NR", "503 NC", "301", "410"] {
        ensure!(explained.iter().any(|told| told["code"] == code), "nothing ended in {code}");
    }
    Ok(())
}
