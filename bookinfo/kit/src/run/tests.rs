use super::*;

#[test]
fn settings_of_the_process_and_of_the_service_are_reported_together() {
    let read = |name: &str| matches!(name, "PORT" | "COUNT").then(|| "many".to_owned());
    let build = |identity: &Identity, env: &mut Env<'_>| {
        env.number("COUNT", 1);
        App::new(identity)
    };
    let error = configure("shop", &read, build).err().unwrap().to_string();
    assert!(error.contains("PORT=\"many\"") && error.contains("COUNT=\"many\""), "{error}");
}

#[test]
fn without_settings_it_is_version_one_on_the_usual_port() {
    let (identity, port, _) = configure("shop", &|_| None, |identity, _| App::new(identity)).unwrap();
    assert_eq!((identity.version.as_str(), identity.pod, port), ("v1", None, 9080));
}
