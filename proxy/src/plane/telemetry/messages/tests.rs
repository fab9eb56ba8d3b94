use super::*;

/// A message of so many bytes. They are such that bytes of messages taken for prefixes are noticed.
fn message(compressed: bool, length: u32) -> Vec<u8> {
    let mut message = vec![u8::from(compressed)];
    message.extend(length.to_be_bytes());
    message.resize(message.len() + length as usize, 1);
    message
}

/// How many messages begin in pieces that come one after the other.
fn begun<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut frames = Frames::default();
    pieces.into_iter().map(|piece| frames.begun(piece)).sum()
}

#[test]
fn messages_are_found_wherever_their_bytes_are_cut() {
    let lengths = [0, 1, 300, 0, 0, 70_000, 4, 256];
    let body: Vec<u8> = lengths.iter().flat_map(|length| message(length % 3 == 1, *length)).collect();
    assert_eq!(begun([&body[..]]), 8, "all in one piece");
    assert_eq!(begun(body.chunks(1)), 8, "byte by byte");
    for cut in 0..=body.len().min(2_000) {
        let (before, after) = body.split_at(cut);
        assert_eq!(begun([before, &[], after]), 8, "cut at byte {cut}");
        let (before, after) = body.split_at(body.len() - cut);
        assert_eq!(begun([before, after]), 8, "cut {cut} bytes before the end");
    }
    for size in 2..40 {
        assert_eq!(begun(body.chunks(size)), 8, "in pieces of {size} bytes");
    }
}

#[test]
fn empty_and_compressed_messages_count() {
    assert_eq!(begun([]), 0);
    assert_eq!(begun([&[][..], &[]]), 0);
    assert_eq!(begun([&message(false, 0)[..]]), 1);
    assert_eq!(begun([&message(true, 0).repeat(1_000)[..]]), 1_000);
    assert_eq!(begun([&message(true, 9)[..], &message(false, 9)]), 2);
}

#[test]
fn a_message_that_is_cut_off_counts_once() {
    let whole = message(false, 20);
    for end in 1..whole.len() {
        assert_eq!(begun([&whole[..], &whole[..end]]), 2, "ends after {end} bytes");
    }
    // The longest that can be announced is awaited to its end.
    let endless = [0, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(begun([&endless[..], &message(false, 0).repeat(10_000)]), 1);
}

#[test]
fn what_came_before_the_peer_was_known_is_counted_with_the_rest() {
    let series = Arc::<MessageCounts>::default();
    let counted = || (series.request.get(), series.response.get());
    let mut messages = Messages::default();
    messages.request(&message(false, 3).repeat(2));
    messages.response(&message(false, 3));
    assert_eq!(counted(), (0, 0));
    messages.report(true, || series.clone());
    assert_eq!(counted(), (2, 0), "nothing was answered before there was an answer");
    messages.request(&message(false, 3));
    messages.response(&message(false, 3).repeat(4));
    assert_eq!(counted(), (3, 4), "while the call goes on");
    messages.report(true, || unreachable!("it is asked for once"));
    messages.response(&message(false, 3));
    assert_eq!(counted(), (3, 5));

    let mut of_html = Messages::default();
    of_html.request(&message(false, 3));
    of_html.report(false, || series.clone());
    of_html.response(b"<html>no gRPC at all</html>");
    assert_eq!(counted(), (4, 5));
}
