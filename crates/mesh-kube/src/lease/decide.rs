//! What a candidate does next. Pure.

use std::time::{Duration, Instant};

use k8s_openapi::{api::coordination::v1::LeaseSpec, apimachinery::pkg::apis::meta::v1::MicroTime};

/// What to do about the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is free, or its holder is gone.
    Take,
    /// It is ours.
    Renew,
    /// It is somebody else's.
    Wait,
}

/// The last renewal that was seen, and when.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    renewal: Option<(Option<String>, Option<MicroTime>, Instant)>,
}

/// Decides by the lease as it is now, and remembers it.
pub fn decide(lease: Option<&LeaseSpec>, seen: &mut Seen, me: &str, now: Instant) -> Step {
    let Some(lease) = lease else { return Step::Take };
    let holder = lease.holder_identity.as_deref().filter(|holder| !holder.is_empty());
    if holder == Some(me) {
        return Step::Renew;
    }
    if holder.is_none() {
        return Step::Take;
    }
    let unchanged_since = match &seen.renewal {
        Some((holder, renewed, since)) if *holder == lease.holder_identity && *renewed == lease.renew_time => *since,
        _ => now,
    };
    seen.renewal = Some((lease.holder_identity.clone(), lease.renew_time.clone(), unchanged_since));
    let seconds = lease.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(super::DURATION.as_secs());
    if now.duration_since(unchanged_since) > Duration::from_secs(seconds) { Step::Take } else { Step::Wait }
}
