use super::*;

#[test]
fn what_users_write_is_read_and_written_in_seconds() {
    let table = [
        ("5s", "5s"),
        ("0s", "0s"),
        ("0", "0s"),
        ("250ms", "0.25s"),
        ("1.5s", "1.5s"),
        (".5s", "0.5s"),
        ("1h30m", "5400s"),
        ("1m0.001s", "60.001s"),
        ("100us", "0.0001s"),
        ("10000ns", "0.00001s"),
        ("+2s", "2s"),
    ];
    for (text, written) in table {
        assert_eq!(Duration::parse(text).map(|d| d.to_string()), Ok(written.to_owned()), "{text}");
    }
}

#[test]
fn what_is_no_duration_says_why() {
    let table = [
        ("", "it is empty"),
        ("5", "has no unit"),
        ("-1s", "negative"),
        ("5 s", "its unit is none of"),
        ("1d", "its unit is none of"),
        ("s", "malformed"),
        ("1.2.3s", "malformed"),
        ("999999999999999999h", "ten thousand years"),
        ("9999999999999999999s", "too large"),
    ];
    for (text, why) in table {
        let error = Duration::parse(text).map_err(|e| e.to_string()).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
}
