//! What galley answers the API server, and how it keeps the API server asking.

pub mod configurations;
pub mod inject;
pub mod validate;
