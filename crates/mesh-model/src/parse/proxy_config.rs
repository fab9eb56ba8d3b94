//! ProxyConfig.

use std::num::NonZeroU32;

use super::{
    at::At,
    words::{label_selector, said},
};
use crate::config::{Concurrency, ProxyConfig};

pub(super) fn proxy_config(given: &istio_api::ProxyConfig, at: &At<'_>) -> ProxyConfig {
    ProxyConfig {
        selector: label_selector(given.selector.as_ref(), &at.field("selector")),
        concurrency: concurrency(given.concurrency, &at.field("concurrency")),
        environment: given.environment_variables.clone(),
        image_type: given.image.as_ref().and_then(|i| said(&i.image_type)),
    }
}

/// Worker threads; also those of the mesh's settings.
pub(super) fn concurrency(given: Option<i32>, at: &At<'_>) -> Concurrency {
    let Some(number) = given else { return Concurrency::OfLimit };
    let Ok(number) = u32::try_from(number) else {
        at.error(format!("{number} is no number of threads"), "write 0 for one per core, or more");
        return Concurrency::OfLimit;
    };
    NonZeroU32::new(number).map_or(Concurrency::AllCores, Concurrency::Threads)
}
