//! Where inputs come from: a cluster, or a folder. Both tell the same things in the same words.

pub mod cluster;
pub mod folder;
