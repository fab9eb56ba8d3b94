//! Faults that are injected on purpose.

use std::time::Duration;

use mesh_proto::envoy::envoy::extensions::filters::{common::fault::v3 as common, http::fault::v3 as pb};

use super::{head::Head, matching::HeaderTest};
use crate::{
    fraction::Fraction,
    refusal::{At, Bad},
    take::{ensure, limit, nothing_left},
};

/// A fault: a delay, an answer in place of the upstream's, or both.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter>
#[derive(Debug)]
pub struct Fault {
    delay: Option<(Duration, Fraction)>,
    abort: Option<(Abort, Fraction)>,
    headers: Vec<HeaderTest>,
    cluster: Option<Box<str>>,
}

/// How an aborted request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// With an HTTP status.
    Http(http::StatusCode),
    /// With a gRPC status.
    Grpc(u32),
}

impl Fault {
    pub(super) fn parse(mut message: pb::HttpFault) -> Result<Self, Bad> {
        let fault = Self {
            delay: message.delay.take().map(Self::parse_delay).transpose().at("delay")?,
            abort: message.abort.take().map(Self::parse_abort).transpose().at("abort")?,
            headers: std::mem::take(&mut message.headers)
                .into_iter()
                .enumerate()
                .map(|(i, h)| HeaderTest::parse(h).at_index("headers", i))
                .collect::<Result<_, _>>()?,
            cluster: Some(std::mem::take(&mut message.upstream_cluster)).filter(|c| !c.is_empty()).map(Into::into),
        };
        nothing_left(&message)?;
        Ok(fault)
    }

    fn parse_delay(mut message: common::FaultDelay) -> Result<(Duration, Fraction), Bad> {
        use common::fault_delay::FaultDelaySecifier::FixedDelay;
        let share = message.percentage.take().map_or(Ok(Fraction::NONE), Fraction::parse).at("percentage")?;
        match message.fault_delay_secifier.take() {
            Some(FixedDelay(delay)) => match limit(Some(delay)).at("fixed_delay")? {
                Some(delay) => Ok((delay, share)),
                None => Err(Bad::new("fixed_delay", "is zero")),
            },
            _ => Err(Bad::new("fixed_delay", "is missing")),
        }
    }

    fn parse_abort(mut message: pb::FaultAbort) -> Result<(Abort, Fraction), Bad> {
        use pb::fault_abort::ErrorType as E;
        let share = message.percentage.take().map_or(Ok(Fraction::NONE), Fraction::parse).at("percentage")?;
        let abort = match message.error_type.take() {
            Some(E::HttpStatus(status)) => {
                let status = u16::try_from(status).ok().filter(|s| (200..600).contains(s));
                let status = status.and_then(|s| http::StatusCode::from_u16(s).ok());
                Abort::Http(status.ok_or_else(|| Bad::new("http_status", "is not between 200 and 599"))?)
            }
            Some(E::GrpcStatus(status)) => {
                ensure(status <= 16, "grpc_status", "is no gRPC status")?;
                Abort::Grpc(status)
            }
            _ => return Err(Bad::new("error_type", "is missing or not supported")),
        };
        nothing_left(&message)?;
        Ok((abort, share))
    }

    /// The delay, and how many requests get it.
    pub fn any_delay(&self) -> Option<(Duration, Fraction)> {
        self.delay
    }

    /// The abort, and how many requests get it.
    pub fn any_abort(&self) -> Option<(Abort, Fraction)> {
        self.abort
    }

    /// Whether the fault is meant for such requests at all.
    pub fn concerns(&self, head: &Head<'_>, cluster: &str) -> bool {
        self.cluster.as_deref().is_none_or(|wanted| wanted == cluster) && self.headers.iter().all(|t| t.is_match(head))
    }

    /// The delay of one request.
    pub fn delay(&self, random: u64) -> Option<Duration> {
        self.delay.filter(|(_, share)| share.hit(random)).map(|(delay, _)| delay)
    }

    /// The abort of one request.
    pub fn abort(&self, random: u64) -> Option<Abort> {
        self.abort.filter(|(_, share)| share.hit(random)).map(|(abort, _)| abort)
    }
}
