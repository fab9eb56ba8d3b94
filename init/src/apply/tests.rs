use super::*;

#[test]
fn servers_are_read_from_resolv_conf() {
    let text = "search a.svc\n# nameserver 1.1.1.1\nnameserver 10.96.0.10\nnameserver fe80::1%eth0\n nameserver 2001:db8::53\noptions ndots:5\n";
    let servers: Vec<std::net::IpAddr> = vec!["10.96.0.10".parse().unwrap(), "2001:db8::53".parse().unwrap()];
    assert_eq!(nameservers(text), servers);
}

#[test]
fn a_failure_tells_program_reason_and_input() {
    let error = run("sh", &["-c", "cat >/dev/null; echo no >&2; exit 3"], "*nat\n").unwrap_err().to_string();
    assert!(error.contains("sh -c") && error.contains("no;") && error.contains("*nat"), "{error}");
}
