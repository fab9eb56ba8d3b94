use clap::Parser;

use super::{Cli, Role, Task};

#[test]
fn what_injection_writes_is_understood() {
    let cli = Cli::parse_from([
        "lateen-proxy",
        "proxy",
        "sidecar",
        "--domain",
        "default.svc.cluster.local",
        "--proxyLogLevel=warning",
        "--proxyComponentLogLevel=misc:error",
        "--log_output_level=default:info",
        "--log_as_json",
    ]);
    let Task::Proxy(options) = cli.task else { panic!("another task") };
    assert_eq!((options.role, options.log_as_json), (Role::Sidecar, true));
    for words in [
        &["pilot-agent", "request", "GET", "config_dump"][..],
        &["pilot-agent", "request", "--debug-port=15020", "POST", "drain"],
        &["pilot-agent", "wait"],
        &["pilot-agent", "wait", "--timeoutSeconds=5", "--periodMillis", "100"],
        &["pilot-agent", "proxy", "router"],
    ] {
        Cli::try_parse_from(words).unwrap();
    }
}

#[test]
fn istios_log_levels_are_ours() {
    for (text, filter) in
        [("default:info", "info"), ("debug", "debug"), ("ads:debug,default:warn", "warn"), ("all:none", "off")]
    {
        let cli = Cli::parse_from(["p", "proxy", "--log_output_level", text]);
        let Task::Proxy(options) = cli.task else { panic!("another task") };
        assert_eq!(options.log_filter(), filter, "{text}");
    }
}
