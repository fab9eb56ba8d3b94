use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{End, both_ways};

#[tokio::test]
async fn silence_ends_a_connection_and_bytes_keep_it() {
    let ((mut client, near), (far, mut server)) = (duplex(64), duplex(64));
    let passing = tokio::spawn(both_ways(near, far, Some(Duration::from_millis(400)), |_, _| {}));
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        client.write_all(b"x").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'x');
    }
    let passed = passing.await.unwrap();
    assert_eq!((passed.up, passed.down, passed.end), (5, 0, Some(End::Silence)));
}

#[tokio::test]
async fn bytes_are_told_of_at_the_end() {
    let ((mut client, near), (far, mut server)) = (duplex(4), duplex(4));
    let told = std::sync::Arc::new(std::sync::Mutex::new((0, 0)));
    let count = told.clone();
    let passing = tokio::spawn(both_ways(near, far, None, move |up, down| {
        let mut told = count.lock().unwrap();
        *told = (told.0 + up, told.1 + down);
    }));
    let serving = tokio::spawn(async move {
        let mut asked = String::new();
        server.read_to_string(&mut asked).await.unwrap();
        server.write_all(b"an answer").await.unwrap();
        asked
    });
    client.write_all(b"a question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!((answer.as_str(), serving.await.unwrap().as_str()), ("an answer", "a question"));
    assert_eq!(passing.await.unwrap().end, None);
    assert_eq!(*told.lock().unwrap(), (10, 9));
}
