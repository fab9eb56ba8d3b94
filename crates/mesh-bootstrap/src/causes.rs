//! Errors in one line.

use std::error::Error;

/// An error and its causes, as `WHAT: WHY: WHY`, for logs and for answers to people.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
