//! Shares of requests.

use mesh_proto::envoy::envoy::{config::core::v3::RuntimeFractionalPercent, r#type::v3::FractionalPercent};

use crate::refusal::{At, Bad};

/// So many of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    numerator: u32,
    denominator: u32,
}

impl Fraction {
    /// All.
    pub const ALL: Self = Self { numerator: 1, denominator: 1 };
    /// None.
    pub const NONE: Self = Self { numerator: 0, denominator: 1 };

    pub(crate) fn parse(message: FractionalPercent) -> Result<Self, Bad> {
        use mesh_proto::envoy::envoy::r#type::v3::fractional_percent::DenominatorType as D;
        let denominator = match D::try_from(message.denominator) {
            Ok(D::Hundred) => 100,
            Ok(D::TenThousand) => 10_000,
            Ok(D::Million) => 1_000_000,
            Err(_) => return Err(Bad::new("denominator", "is unknown")),
        };
        Ok(Self { numerator: message.numerator, denominator })
    }

    /// Reads the default value; keys of a runtime have no meaning here, as there is no runtime to override them.
    pub(crate) fn parse_runtime(message: RuntimeFractionalPercent) -> Result<Self, Bad> {
        message.default_value.map_or(Ok(Self::NONE), |value| Self::parse(value).at("default_value"))
    }

    /// In percent.
    pub fn percent(self) -> f64 {
        f64::from(self.numerator) * 100.0 / f64::from(self.denominator)
    }

    /// Whether a random number falls into it.
    pub fn hit(self, random: u64) -> bool {
        random % u64::from(self.denominator) < u64::from(self.numerator)
    }
}
