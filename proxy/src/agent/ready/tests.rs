use super::{Readiness, parse};

fn stats(cds: u64, lds: u64, state: u64, workers: u64) -> String {
    format!(
        "cluster_manager.cds.update_success: {cds}\nlistener_manager.lds.update_success: {lds}\n\
         listener_manager.workers_started: {workers}\nserver.state: {state}\n"
    )
}

#[test]
fn each_condition_has_its_reason() {
    let judge = |text: &str| Readiness::default().judge(parse(text));
    for (text, why) in [
        (stats(0, 0, 0, 1), "config not received from XDS server (is Istiod running?): cds updates: 0 successful"),
        (stats(1, 0, 0, 1), "config not received"),
        (stats(1, 1, 3, 1), "server is not live, current state is: INITIALIZING"),
        (stats(1, 1, 0, 0), "workers have not yet started"),
        ("cluster_manager.cds.update_rejected: 2\n".to_owned(), "config received from XDS server, but was rejected"),
    ] {
        let said = judge(&text).unwrap_err();
        assert!(said.contains(why), "{said}");
    }
    judge(&stats(1, 1, 0, 1)).unwrap();
}

#[tokio::test]
async fn what_held_once_holds_until_the_end() {
    let readiness = Readiness::default();
    readiness.judge(parse(&stats(1, 1, 3, 0))).unwrap_err();
    readiness.judge(parse(&stats(0, 0, 0, 1))).unwrap();
    // Nothing is asked any more: nobody answers on port 1.
    readiness.check(1).await.unwrap();
    readiness.drain();
    assert_eq!(readiness.check(1).await.unwrap_err(), "server is terminating");
}
