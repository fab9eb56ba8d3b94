use super::*;

#[tokio::test]
async fn an_answer_counts_for_a_while_and_one_caller_asks_again() {
    let names = Names::default();
    let addresses = names.clone().resolve("localhost".to_owned()).await.unwrap();
    assert!(addresses.iter().all(|address| address.ip().is_loopback()) && !addresses.is_empty());
    let now = Instant::now();
    assert_eq!(names.recall("localhost", now), Some((addresses.clone(), false)));
    assert_eq!(names.recall("localhost", now + FRESH), Some((addresses.clone(), true)));
    assert_eq!(names.recall("localhost", now + FRESH), Some((addresses, false)), "it is asked for already");
    assert_eq!(names.recall("elsewhere", now), None);
}

#[tokio::test]
async fn the_last_answer_outlives_a_failure() {
    let names = Names::default();
    let address: SocketAddr = "10.0.0.1:0".parse().unwrap();
    let name = "no such name".to_owned();
    let known = Known { addresses: vec![address], until: Instant::now(), is_asked: true };
    names.known().insert(name.clone(), known);
    names.clone().ask(name.clone()).await.unwrap_err();
    assert_eq!(names.recall(&name, Instant::now()), Some((vec![address], false)));
    assert_eq!(names.recall(&name, Instant::now() + FRESH), Some((vec![address], true)));
}
