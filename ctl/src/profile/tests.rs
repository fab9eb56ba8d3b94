use super::*;

fn print(command: &ProfileCommand) -> Result<String> {
    let mut out = Vec::new();
    command.run(&mut out)?;
    Ok(String::from_utf8(out)?)
}

fn dump(name: &str, path: Option<&str>) -> Result<String> {
    print(&ProfileCommand::Dump(DumpArgs { name: name.to_owned(), config_path: path.map(str::to_owned) }))
}

#[test]
fn profiles_are_printed_whole_or_in_part() {
    assert_eq!(print(&ProfileCommand::List).unwrap(), "Profiles:\n    default\n    demo\n    minimal\n");
    let whole = dump("demo", None).unwrap();
    for part in ["kind: IstioOperator", "accessLogFile: /dev/stdout", "istio-egressgateway"] {
        assert!(whole.contains(part), "{part}: {whole}");
    }
    let gateways = dump("demo", Some("components.ingressGateways")).unwrap();
    assert!(gateways.contains("15443") && !gateways.contains("egress"), "{gateways}");
    assert!(dump("demo", Some("components.ingressGateways[0].name")).unwrap().contains("istio-ingressgateway"));
}

#[test]
fn what_is_not_there_is_said() {
    assert!(dump("demo", Some("components.cni")).unwrap_err().to_string().contains("components.cni"));
    assert!(dump("huge", None).unwrap_err().to_string().contains("huge"));
}
