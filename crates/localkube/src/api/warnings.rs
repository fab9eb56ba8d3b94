//! Warnings to the person who writes: gathered along the way of one request, sent as `Warning` headers.

use std::cell::RefCell;

tokio::task_local! {
    static GATHERED: RefCell<Vec<String>>;
}

/// Adds a warning to the request being answered; without one (an in-process caller) it is logged.
pub fn add(text: impl Into<String>) {
    let text = text.into();
    let logged = text.clone();
    let added = GATHERED.try_with(|gathered| {
        let mut gathered = gathered.borrow_mut();
        if !gathered.contains(&text) {
            gathered.push(text);
        }
    });
    if added.is_err() {
        tracing::debug!(warning = logged, "a write in process was warned");
    }
}

/// Runs `work` and gives what it warned about, in order, each once.
pub async fn collect<T>(work: impl Future<Output = T>) -> (T, Vec<String>) {
    GATHERED
        .scope(RefCell::default(), async {
            let done = work.await;
            (done, GATHERED.with(|gathered| gathered.take()))
        })
        .await
}
