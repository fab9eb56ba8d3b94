use std::time::Duration;

use super::Drain;

#[tokio::test]
async fn tasks_hear_of_the_end_and_are_awaited() {
    let drain = Drain::new();
    let inner = drain.clone();
    let task = drain.spawn(async move {
        inner.requested().await;
        7
    });
    assert!(!drain.finished(Duration::from_millis(20)).await);
    drain.begin();
    assert!(drain.finished(Duration::from_secs(5)).await);
    assert!(drain.is_requested());
    assert_eq!(task.await.unwrap(), 7);
}
