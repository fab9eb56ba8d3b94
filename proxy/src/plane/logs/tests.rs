use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tempfile::TempDir;

use super::*;

fn a_file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    (folder, path)
}

fn say(buffer: &LogBuffer, path: &Path, line: &str) {
    buffer.line(path.to_str().unwrap(), |out| out.push_str(&format!("{line}\n")));
}

#[test]
fn lines_are_written_in_order_after_what_was_there() {
    let (_folder, path) = a_file();
    fs::write(&path, "before\n").unwrap();
    let logs = Logs::new();
    let buffer = logs.buffer();
    say(&buffer, &path, "first");
    say(&buffer, &path, "second");
    buffer.flush();
    say(&buffer, &path, "third");
    buffer.flush();
    logs.drain();
    assert_eq!(fs::read_to_string(&path).unwrap(), "before\nfirst\nsecond\nthird\n");
    assert_eq!(logs.lost(), 0);
}

#[test]
fn each_path_gets_its_own_lines() {
    let (folder, one) = a_file();
    let other = folder.path().join("other.log");
    let logs = Logs::default();
    let buffer = logs.buffer();
    say(&buffer, &one, "one");
    say(&buffer, &other, "other");
    say(&buffer, &one, "one again");
    buffer.flush();
    logs.drain();
    assert_eq!(fs::read_to_string(&one).unwrap(), "one\none again\n");
    assert_eq!(fs::read_to_string(&other).unwrap(), "other\n");
}

#[test]
fn few_lines_wait_for_the_flush_and_many_do_not() {
    let (_folder, path) = a_file();
    let logs = Logs::new();
    let buffer = logs.buffer();
    say(&buffer, &path, "few");
    logs.drain();
    assert!(!path.exists());
    let line = "x".repeat(1023);
    (0..16).for_each(|_| say(&buffer, &path, &line));
    logs.drain();
    assert_eq!(fs::read_to_string(&path).unwrap().len(), 4 + 16 * 1024);
}

#[test]
fn the_writer_ends_with_the_last_handle_when_all_is_written() {
    let (_folder, path) = a_file();
    let logs = Logs::new();
    let progress = logs.progress.clone();
    let buffers: Vec<LogBuffer> = (0..4).map(|_| logs.clone().buffer()).collect();
    drop(logs);
    let workers = buffers.into_iter().map(|buffer| {
        let path = path.clone();
        thread::spawn(move || (0..1000).for_each(|_| say(&buffer, &path, "a line of a worker")))
    });
    workers.collect::<Vec<_>>().into_iter().for_each(|worker| worker.join().unwrap());
    let begun = Instant::now();
    while Arc::strong_count(&progress) > 1 && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(Arc::strong_count(&progress), 1, "the writer is still there");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a line of a worker\n".repeat(4000));
}

#[test]
fn a_path_that_cannot_be_written_loses_its_lines_only() {
    let (folder, path) = a_file();
    let logs = Logs::new();
    let buffer = logs.buffer();
    say(&buffer, folder.path(), "into a folder");
    say(&buffer, folder.path(), "again");
    say(&buffer, &path, "into a file");
    buffer.flush();
    logs.drain();
    assert_eq!(logs.lost(), 2);
    assert_eq!(fs::read_to_string(&path).unwrap(), "into a file\n");
    say(&buffer, folder.path(), "a third");
    buffer.flush();
    logs.drain();
    assert_eq!(logs.lost(), 3);
}

#[test]
fn a_reader_that_does_not_read_costs_lines_and_no_time() {
    const CHUNKS: usize = WAITING + 10;
    let (_folder, path) = a_file();
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    let logs = Logs::new();
    let buffer = logs.buffer();
    for _ in 0..CHUNKS {
        // Nobody has the other end open: the writer is stuck at the first one.
        say(&buffer, &path, "a line");
        buffer.flush();
    }
    let lost = usize::try_from(logs.lost()).unwrap();
    assert!((9..=10).contains(&lost), "one may be with the writer, {WAITING} wait, {lost} are lost");
    assert!(!logs.progress.wait(Duration::from_millis(1)));
    drop((buffer, logs));
    let read = fs::read_to_string(&path).unwrap();
    assert_eq!(read.lines().count(), CHUNKS - lost);
}
