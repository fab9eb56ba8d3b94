//! The hash that Envoy's consistent load balancers use.

/// xxHash64 with a seed.
pub(crate) fn xx(bytes: &[u8], seed: u64) -> u64 {
    twox_hash::XxHash64::oneshot(seed, bytes)
}
