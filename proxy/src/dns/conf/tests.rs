use super::*;

const POD: &str = "# of a pod
search default.svc.cluster.local svc.cluster.local cluster.local
nameserver 10.96.0.10
nameserver fd00::10 ; the other family
nameserver nonsense
options ndots:5
";

#[test]
fn a_pods_file() {
    let conf = ResolvConf::parse(POD);
    let servers: Vec<String> = conf.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["10.96.0.10:53", "[fd00::10]:53"]);
    assert_eq!(conf.search, ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"]);
}

#[test]
fn without_servers_this_machine_is_asked() {
    let conf = ResolvConf::parse("");
    assert_eq!(conf.servers, ["127.0.0.1:53".parse().unwrap()]);
}

#[test]
fn complete_names_come_first_and_short_ones_are_completed() {
    let conf = ResolvConf::parse("search a.b c.d\n");
    assert_eq!(conf.candidates("api.example.com"), ["api.example.com", "api.example.com.a.b", "api.example.com.c.d"]);
    assert_eq!(conf.candidates("db"), ["db.a.b", "db.c.d", "db"]);
    assert_eq!(conf.candidates("db.a."), ["db.a"]);
}

#[test]
fn names_of_the_hosts_file() {
    let text = "127.0.0.1 localhost\n# 10.0.0.9 db\n10.0.0.1 db.example.org db # both\nfd00::1 DB\nx y\n";
    assert_eq!(in_hosts(text, "db"), [IpAddr::from([10, 0, 0, 1]), "fd00::1".parse().unwrap()]);
    assert_eq!(in_hosts(text, "db.example.org."), [IpAddr::from([10, 0, 0, 1])]);
    assert!(in_hosts(text, "other").is_empty());
}
