use std::io;

use super::causes;

#[derive(Debug, thiserror::Error)]
#[error("the file cannot be read")]
struct Outer(#[source] io::Error);

#[test]
fn each_level_tells_its_own() {
    let error = Outer(io::Error::other("the disk is gone"));
    assert_eq!(causes(&error), "the file cannot be read: the disk is gone");
}
