use std::process::Command;

use super::*;
use crate::net::topology::tests::two_nodes;

#[test]
fn further_hosts_must_have_names_and_get_addresses() {
    let hosts = Hosts::new(&["Db.Internal.Example".to_owned(), "httpbin.org".to_owned()]).unwrap();
    assert!(hosts.0.contains_key("db.internal.example"));
    let addresses: std::collections::BTreeSet<Ipv4Addr> = hosts.0.values().map(|h| h.address).collect();
    assert_eq!(addresses.len(), hosts.0.len());
    for wrong in ["", "a b", "-x.example", "x..example", "*", "a.*.example"] {
        assert!(Hosts::new(&[wrong.to_owned()]).is_err(), "{wrong}");
    }
    let many: Vec<String> = (0..200).map(|i| format!("h{i}.example")).collect();
    assert!(Hosts::new(&many).unwrap_err().to_string().contains("too many"));
}

/// Runs curl in a pod, which is told the hosts' addresses: its resolv.conf is this machine's.
fn curl(pod: &crate::net::topology::PodNet, folder: &Path, url: &str, more: &[&str]) -> String {
    let name = url.split("//").nth(1).unwrap().split(['/', ':']).next().unwrap();
    let hosts = Hosts::new(&["db.example".to_owned()]).unwrap();
    let address = hosts.0[name].address;
    let resolve: Vec<String> =
        [80, 443, 9000].iter().flat_map(|p| ["--resolve".to_owned(), format!("{name}:{p}:{address}")]).collect();
    let trust = folder.join("ca-certificates.crt").display().to_string();
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "10", "--cacert", &trust]).args(resolve).args(more).arg(url);
    let output = pod.netns.run(|| command.output()).unwrap();
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_reaches_the_outside_and_is_seen_as_itself() {
    let Some(net) = two_nodes("a_pod_reaches_the_outside_and_is_seen_as_itself").await else { return };
    let outside = Outside::start(&net, &["db.example".to_owned()]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    outside.write_trust(folder.path()).unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("outside-ca.crt")).unwrap(), outside.authority());
    let pod = net.attach("node-2", "a").await.unwrap();
    let ask = |url: &str, more: &[&str]| curl(&pod, folder.path(), url, more);
    assert_eq!(ask("http://ifconfig.me/", &[]), pod.ip.to_string());
    assert_eq!(ask("https://ifconfig.me/", &[]), pod.ip.to_string());
    let moved = ask("http://edition.cnn.com/politics", &["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"]);
    assert_eq!(moved, "301 https://edition.cnn.com/politics");
    let followed = ask("http://edition.cnn.com/politics", &["-L", "-w", "%{http_code} %{http_version}"]);
    assert!(followed.ends_with("200 2"), "{followed}");
    assert!(
        ask("https://en.wikipedia.org/wiki/Main_Page", &[]).contains("<title>Wikipedia, the free encyclopedia</title>")
    );
    assert!(ask("https://httpbin.org/get", &[]).contains("\"url\": \"https://httpbin.org/get\""));
    assert!(ask("https://db.example/headers", &[]).contains("\"headers\""));
}

#[tokio::test]
async fn its_dns_knows_its_hosts_only() {
    use hickory_proto::op::Query;
    let hosts = Hosts::new(&[]).unwrap();
    let ask = async |name: &str, kind| {
        let mut query = Message::query();
        query.add_query(Query::query(name.parse().unwrap(), kind));
        let answer = hosts.respond(&query).await;
        (answer.metadata.response_code, answer.answers.iter().map(|a| a.data.to_string()).collect::<Vec<_>>())
    };
    let address = hosts.0["httpbin.org"].address.to_string();
    assert_eq!(ask("HTTPbin.org.", RecordType::A).await, (ResponseCode::NoError, vec![address]));
    assert_eq!(ask("httpbin.org.", RecordType::AAAA).await, (ResponseCode::NoError, vec![]));
    assert_eq!(ask("other.org.", RecordType::A).await, (ResponseCode::NXDomain, vec![]));
    let wild = hosts.0["*.example.org"].address.to_string();
    for name in ["a.example.org.", "b.a.EXAMPLE.org."] {
        assert_eq!(ask(name, RecordType::A).await, (ResponseCode::NoError, vec![wild.clone()]), "{name}");
    }
    assert_eq!(ask("example.org.", RecordType::A).await, (ResponseCode::NXDomain, vec![]));
}
