use clap::Parser;

use super::Options;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    identity: Options,
}

#[test]
fn an_account_that_is_not_given_is_the_programs_name() {
    let program = Program::parse_from(["pilot", "--service-account", "", "--namespace", "istio-system"]);
    let settings = program.identity.settings("pilot").unwrap();
    assert_eq!(settings.id.to_string(), "spiffe://cluster.local/ns/istio-system/sa/pilot");
    let program = Program::parse_from(["proxy", "--service-account", "web", "--namespace", "shop"]);
    assert_eq!(program.identity.settings("proxy").unwrap().id.account(), "web");
    Program::parse_from(["proxy", "--namespace", "a/b"]).identity.settings("proxy").unwrap_err();
}
