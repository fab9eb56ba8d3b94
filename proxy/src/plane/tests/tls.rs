//! TLS that ends here, and TLS that begins here. The other ends are rustls, OpenSSL and curl.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
};

use super::{
    certs::{Ca, Pair, Server, ask, shake, socket},
    rig::{Rig, all_to, cluster, echo, get, http2, listener, merge},
};

/// A listener whose chain ends TLS, and looks for names.
fn secured(mut listener: Value, context: Value) -> Value {
    listener["filter_chains"][0]["transport_socket"] = socket("DownstreamTlsContext", context);
    listener["listener_filters"] = json!([{ "name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    } }]);
    listener
}

fn edge() -> Value {
    json!({ "use_remote_address": true, "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": { "subject": true, "uri": true, "dns": true } })
}

/// What a listener shows: this certificate, to clients of either version of HTTP.
fn showing(pair: &Pair) -> Value {
    json!({ "common_tls_context": { "tls_certificates": [pair.inline()], "alpn_protocols": ["h2", "http/1.1"] } })
}

fn by_secret(name: &str) -> Value {
    json!({ "name": name, "sds_config": { "ads": {}, "resource_api_version": "V3" } })
}

/// A cluster that calls by TLS.
fn calling(name: &str, at: std::net::SocketAddr, context: Value, more: Value) -> Value {
    let mut all = json!({ "transport_socket": socket("UpstreamTlsContext", context) });
    merge(&mut all, more);
    cluster(name, &[at], all)
}

/// The options by which the request's host names the server; `version` is `http_protocol_options` or
/// `http2_protocol_options`.
fn named_by_host(version: &str) -> Value {
    json!({ "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { version: {} },
        "upstream_http_protocol_options": { "auto_sni": true, "auto_san_validation": true },
    } } })
}

fn trusting(ca: &Ca) -> Value {
    json!({ "common_tls_context": { "validation_context": { "trusted_ca": { "inline_string": ca.pem() } } } })
}

/// A client knows that its handshake failed before the worker has counted that.
async fn counts(rig: &Rig, name: &str, wanted: u64) {
    let name = format!("listener.127.0.0.1_{}.ssl.{name}", rig.port);
    for _ in 0..500 {
        if rig.stat(&name) >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(rig.stat(&name), wanted, "{name}");
}

#[tokio::test]
async fn requests_of_either_version_come_by_tls() {
    let ca = Ca::new();
    let context = showing(&ca.issue(&["a.test"]));
    let clusters = [cluster("a", &[echo().await], json!({}))];
    let rig = Rig::new(secured(listener(all_to("a", json!({})), edge()), context), &clusters).await;
    for (alpn, version) in [(&["h2", "http/1.1"][..], "HTTP/2"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")] {
        let answer = ask(&rig, &ca.client(None, alpn), "a.test", get("/x")).await.unwrap();
        let seen = answer.text();
        assert!(
            seen.starts_with("GET /x HTTP/1.1") && seen.contains("\nx-forwarded-proto: https\n"),
            "{version} {seen}"
        );
        assert!(seen.contains("\nx-forwarded-for: 127.0.0.1\n"), "{seen}");
        assert!(seen.contains("\nx-envoy-external-address: 127.0.0.1\n"), "{seen}");
    }
    // One who trusts somebody else, and one who speaks no TLS at all.
    ask(&rig, &Ca::new().client(None, &[]), "a.test", get("/")).await.unwrap_err();
    let mut plain = rig.connect().await;
    plain.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut end = Vec::new();
    drop(plain.read_to_end(&mut end).await);
    assert!(!end.starts_with(b"HTTP/"));
    counts(&rig, "handshake", 3).await;
    counts(&rig, "connection_error", 2).await;
}

#[tokio::test]
async fn clients_prove_who_they_are() {
    let (ca, strangers) = (Ca::new(), Ca::new());
    let own = ca.issue(&["a.test", "spiffe://td/server"]);
    let context = |required: bool| {
        json!({ "require_client_certificate": required, "common_tls_context": {
            "tls_certificates": [own.inline()], "validation_context": { "trusted_ca": { "inline_string": ca.pem() } },
        } })
    };
    let clusters = [cluster("a", &[echo().await], json!({}))];
    let rig = Rig::new(secured(listener(all_to("a", json!({})), edge()), context(true)), &clusters).await;
    let caller = ca.issue(&["spiffe://td/caller", "caller.test"]);
    let mut request = get("/");
    request.headers_mut().insert("x-forwarded-client-cert", "Hash=forged".parse().unwrap());
    let answer = ask(&rig, &ca.client(Some(&caller), &[]), "a.test", request).await.unwrap();
    let seen = answer.text();
    let line = seen.lines().find(|line| line.starts_with("x-forwarded-client-cert: ")).unwrap();
    assert!(line.starts_with("x-forwarded-client-cert: By=spiffe://td/server;Hash="), "{line}");
    assert!(line.ends_with(";URI=spiffe://td/caller;DNS=caller.test") && !line.contains("forged"), "{line}");
    ask(&rig, &ca.client(None, &[]), "a.test", get("/")).await.unwrap_err();
    let stranger = strangers.issue(&["caller.test"]);
    ask(&rig, &ca.client(Some(&stranger), &[]), "a.test", get("/")).await.unwrap_err();
    for name in ["fail_verify_no_cert", "fail_verify_error", "handshake"] {
        counts(&rig, name, 1).await;
    }

    rig.configure(secured(listener(all_to("a", json!({})), edge()), context(false)), &clusters);
    let answer = ask(&rig, &ca.client(None, &[]), "a.test", get("/")).await.unwrap();
    assert!(!answer.text().contains("x-forwarded-client-cert"), "{}", answer.text());
    ask(&rig, &ca.client(Some(&stranger), &[]), "a.test", get("/")).await.unwrap_err();
}

#[tokio::test]
async fn the_name_that_is_asked_for_chooses_the_certificate() {
    let ca = Ca::new();
    let mut both = secured(listener(all_to("a", json!({})), json!({})), showing(&ca.issue(&["a.test"])));
    let mut more = both["filter_chains"][0].clone();
    both["filter_chains"][0]["filter_chain_match"] = json!({ "server_names": ["a.test"] });
    more["filter_chain_match"] = json!({ "server_names": ["*.wild.test"] });
    more["transport_socket"] = socket("DownstreamTlsContext", showing(&ca.issue(&["*.wild.test"])));
    both["filter_chains"].as_array_mut().unwrap().push(more);
    let rig = Rig::new(both, &[cluster("a", &[echo().await], json!({}))]).await;
    for name in ["a.test", "b.wild.test"] {
        let answer = ask(&rig, &ca.client(None, &["h2"]), name, get("/")).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{name}");
    }
    shake(&rig, &ca.client(None, &[]), "c.test").await.unwrap_err();
    assert_eq!(rig.stat(&format!("listener.127.0.0.1_{}.no_filter_chain_match", rig.port)), 1);
}

#[tokio::test]
async fn a_chain_waits_for_its_secret_and_takes_each_new_one() {
    let ca = Ca::new();
    let by_name = json!({ "common_tls_context": {
        "tls_certificate_sds_secret_configs": [by_secret("kubernetes://one")], "alpn_protocols": ["h2", "http/1.1"],
    } });
    let mut both = secured(listener(all_to("a", json!({})), json!({})), by_name);
    let mut other = both["filter_chains"][0].clone();
    both["filter_chains"][0]["filter_chain_match"] = json!({ "server_names": ["one.test"] });
    other["filter_chain_match"] = json!({ "server_names": ["two.test"] });
    other["transport_socket"] = socket("DownstreamTlsContext", showing(&ca.issue(&["two.test"])));
    both["filter_chains"].as_array_mut().unwrap().push(other);
    let rig = Rig::new(both, &[cluster("a", &[echo().await], json!({}))]).await;
    let client = ca.client(None, &["h2"]);
    ask(&rig, &client, "one.test", get("/")).await.unwrap_err();
    assert_eq!(ask(&rig, &client, "two.test", get("/")).await.unwrap().status, StatusCode::OK);

    rig.secret("kubernetes://one", json!({ "tls_certificate": ca.issue(&["one.test"]).inline() }));
    assert_eq!(ask(&rig, &client, "one.test", get("/")).await.unwrap().status, StatusCode::OK);
    // One that is broken changes nothing.
    assert!(
        rig.try_secret(
            "kubernetes://one",
            json!({ "tls_certificate": {
        "certificate_chain": { "inline_string": "none" }, "private_key": { "inline_string": "none" },
    } })
        )
        .is_err()
    );

    // Under load: no request fails, and in the end clients see the new one.
    let next = Ca::new();
    let both_roots = {
        let mut pem = ca.pem();
        pem.push_str(&next.pem());
        pem
    };
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, both_roots).unwrap();
    let mut asking = Vec::new();
    for _ in 0..4 {
        let (url, roots) = (format!("https://one.test:{}/", rig.port), roots.clone());
        asking.push(tokio::spawn(async move {
            for _ in 0..8 {
                let resolve = format!("{}:127.0.0.1", url.trim_start_matches("https://").trim_end_matches('/'));
                let mut curl = Command::new("curl");
                let said = curl.args(["-sS", "--cacert"]).arg(&roots).args(["--resolve", &resolve, &url]).output();
                let said = said.await.unwrap();
                assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
            }
        }));
    }
    for _ in 0..20 {
        rig.secret("kubernetes://one", json!({ "tls_certificate": next.issue(&["one.test"]).inline() }));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for task in asking {
        task.await.unwrap();
    }
    assert_eq!(ask(&rig, &next.client(None, &[]), "one.test", get("/")).await.unwrap().status, StatusCode::OK);
    ask(&rig, &ca.client(None, &[]), "one.test", get("/")).await.unwrap_err();
}

#[tokio::test]
async fn servers_are_called_by_tls() {
    let ca = Ca::new();
    let at = Server::new(ca.issue(&["test", "other.test"])).start().await;
    let fixed = {
        let mut context = trusting(&ca);
        context["sni"] = json!("other.test");
        context
    };
    let clusters = [
        calling("auto", at, trusting(&ca), named_by_host("http_protocol_options")),
        calling("auto2", at, trusting(&ca), named_by_host("http2_protocol_options")),
        calling("fixed", at, fixed.clone(), json!({})),
        calling("fixed2", at, fixed, http2()),
        calling("nameless", at, trusting(&ca), json!({})),
    ];
    let routes: Vec<Value> = clusters
        .iter()
        .map(|cluster| {
            let name = cluster["name"].as_str().unwrap();
            json!({ "match": { "prefix": format!("/{name}/") }, "route": { "cluster": name } })
        })
        .collect();
    let rig = Rig::new(listener(json!(routes), json!({})), &clusters).await;
    for (cluster, wanted) in [
        ("auto", "test http/1.1 HTTP/1.1 proven=false /auto/"),
        ("auto2", "test h2 HTTP/2.0 proven=false /auto2/"),
        ("fixed", "other.test http/1.1 HTTP/1.1 proven=false /fixed/"),
        ("fixed2", "other.test h2 HTTP/2.0 proven=false /fixed2/"),
        ("nameless", "- http/1.1 HTTP/1.1 proven=false /nameless/"),
    ] {
        for _ in 0..3 {
            assert_eq!(rig.get(&format!("/{cluster}/")).await.text(), wanted);
        }
        assert_eq!(rig.stat(&format!("cluster.{cluster}.ssl.handshake")), 1, "one connection serves all");
    }
    // Another host gets a connection of its own, and its certificate is judged by that name.
    let of = |host: &str| {
        let request = Request::get("/auto/").header("host", host);
        request.body(Full::new(Bytes::new())).unwrap()
    };
    assert_eq!(rig.ask(of("other.test")).await.text(), "other.test http/1.1 HTTP/1.1 proven=false /auto/");
    let answer = rig.ask(of("wrong.test")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().contains("TLS_error:|"), "{}", answer.text());
    assert_eq!(rig.stat("cluster.auto.ssl.fail_verify_error"), 1);
}

#[tokio::test]
async fn a_server_that_is_not_the_one_gets_no_request() {
    let (ca, strangers) = (Ca::new(), Ca::new());
    let hour = Duration::from_secs(3600);
    let expired = ca.issue_as(&["test"], |params| {
        params.not_before = (SystemTime::now() - 48 * hour).into();
        params.not_after = (SystemTime::now() - hour).into();
    });
    let names = |name: &str| {
        let mut context = trusting(&ca);
        let test = json!({ "san_type": "DNS", "matcher": { "exact": name } });
        context["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"] = json!([test]);
        context
    };
    let old = {
        let mut context = trusting(&ca);
        context["common_tls_context"]["tls_params"] = json!({ "tls_maximum_protocol_version": "TLSv1_2" });
        context
    };
    let good = Server::new(ca.issue(&["test"])).start().await;
    let wild = Server::new(ca.issue(&["*.wild.test"])).start().await;
    let new = Server { versions: vec![&rustls::version::TLS13], ..Server::new(ca.issue(&["test"])) }.start().await;
    let mutual = Server::of_clients(ca.issue(&["test"]), &ca).start().await;
    let pinned = json!({ "common_tls_context": { "validation_context": {
        "verify_certificate_hash": ["00".repeat(32)],
    } } });
    let anyone = json!({ "common_tls_context": { "validation_context": {
        "trust_chain_verification": "ACCEPT_UNTRUSTED",
    } } });
    let proving = {
        let mut context = trusting(&ca);
        context["common_tls_context"]["tls_certificates"] = json!([ca.issue(&["caller.test"]).inline()]);
        context
    };
    let cases = [
        ("stranger", Server::new(strangers.issue(&["test"])).start().await, trusting(&ca), false, "UnknownIssuer"),
        ("expired", Server::new(expired).start().await, trusting(&ca), false, "Expired"),
        ("right-name", good, names("test"), true, ""),
        ("wrong-name", good, names("other.test"), false, "none of the certificate's names"),
        ("wild-name", wild, names("a.wild.test"), true, ""),
        ("not-so-wild-name", wild, names("a.b.wild.test"), false, "none of the certificate's names"),
        ("version", new, old, false, "rotocolVersion"),
        ("pin", good, pinned, false, "pinned"),
        ("anyone", good, anyone, true, ""),
        ("mutual", mutual, proving, true, ""),
        ("unproven", mutual, trusting(&ca), false, ""),
    ];
    let clusters: Vec<Value> =
        cases.iter().map(|(name, at, context, ..)| calling(name, *at, context.clone(), json!({}))).collect();
    let route = |name: &str| json!({ "match": { "prefix": format!("/{name}/") }, "route": { "cluster": name } });
    let routes: Vec<Value> = cases.iter().map(|(name, ..)| route(name)).collect();
    let rig = Rig::new(listener(json!(routes), json!({})), &clusters).await;
    for (name, _, _, good, why) in cases {
        let answer = rig.get(&format!("/{name}/")).await;
        let wanted = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        assert_eq!(answer.status, wanted, "{name}: {}", answer.text());
        assert!(answer.text().contains(why), "{name}: {}", answer.text());
    }
    assert_eq!(rig.stat("cluster.wrong-name.ssl.fail_verify_san"), 1);
    assert_eq!(rig.stat("cluster.pin.ssl.fail_verify_cert_hash"), 1);
}

#[tokio::test]
async fn bytes_are_passed_through_tls_at_both_ends() {
    let ca = Ca::new();
    let folder = tempfile::tempdir().unwrap();
    let pair = ca.issue(&["a.test"]);
    for (name, text) in [("cert.pem", &pair.cert), ("key.pem", &pair.key), ("ca.pem", &ca.pem())] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    // OpenSSL's server sends each line back in reverse.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free.local_addr().unwrap();
    drop(free);
    let mut server = Command::new("openssl")
        .args(["s_server", "-quiet", "-rev", "-accept", &at.to_string(), "-cert", "cert.pem", "-key", "key.pem"])
        .current_dir(folder.path())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let chain = json!({ "filters": [{ "name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "a", "cluster": "a", "max_connect_attempts": 100,
    } }] });
    let listener = secured(json!({ "filter_chains": [chain] }), showing(&pair));
    let rig = Rig::new(listener, &[calling("a", at, trusting(&ca), json!({}))]).await;
    for _ in 0..200 {
        if tokio::net::TcpStream::connect(at).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error", "-CAfile", "ca.pem", "-servername", "a.test"])
        .args(["-connect", &format!("127.0.0.1:{}", rig.port)])
        .current_dir(folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    client.stdin.as_mut().unwrap().write_all(b"hello\n").await.unwrap();
    let mut back = [0; 6];
    client.stdout.as_mut().unwrap().read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"olleh\n");
    server.kill().await.unwrap();
}

#[tokio::test]
async fn a_name_leads_to_its_cluster() {
    let ca = Ca::new();
    let at = Server::new(ca.issue(&["a.test"])).start().await;
    let typed = |name: &str, more: Value| {
        let mut config = json!({ "@type": format!("type.googleapis.com/envoy.extensions.filters.network.{name}") });
        merge(&mut config, more);
        json!({ "name": name, "typed_config": config })
    };
    let chain = json!({ "filters": [
        typed("sni_cluster.v3.SniCluster", json!({})),
        typed("tcp_proxy.v3.TcpProxy", json!({ "stat_prefix": "x", "cluster": "BlackHoleCluster" })),
    ] });
    let inspected = json!({ "name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    } });
    let listener = json!({ "filter_chains": [chain], "listener_filters": [inspected] });
    let rig = Rig::new(listener, &[cluster("a.test", &[at], json!({}))]).await;
    let answer = ask(&rig, &ca.client(None, &["h2"]), "a.test", get("/")).await.unwrap();
    assert_eq!(answer.text(), "a.test h2 HTTP/2.0 proven=false /");
    shake(&rig, &ca.client(None, &[]), "b.test").await.unwrap_err();
}

#[tokio::test]
async fn a_host_for_tls_only_sends_others_there() {
    let mut listener = listener(all_to("a", json!({})), json!({ "use_remote_address": true }));
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    manager["route_config"]["virtual_hosts"][0]["require_tls"] = json!("ALL");
    let rig = Rig::new(listener, &[cluster("a", &[echo().await], json!({}))]).await;
    let mut request = get("/x?y=1");
    // Whoever stands outside is not believed.
    request.headers_mut().insert("x-forwarded-proto", "https".parse().unwrap());
    let answer = rig.ask(request).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::MOVED_PERMANENTLY, "https://test/x?y=1"));
}
