use std::time::Duration;

/// How the service behaves, by `SERVICE_VERSION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Always well: `v1` and every name that is none of the others.
    Well,
    /// `v2`: backed by a database, which this sample does not have.
    Database,
    /// `v-faulty`: half of the requests fail with 503.
    Faulty,
    /// `v-delayed`: half of the requests take seven seconds.
    Delayed,
    /// `v-unavailable`: a minute well, a minute 503, and so on.
    Unavailable,
    /// `v-unhealthy`: a quarter of an hour well, one with 503 and a failing health check, and so on.
    /// The period is longer than the ten minutes after which Kubernetes forgets its restart back-off.
    Unhealthy,
}

/// How one request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// With the ratings.
    Well,
    /// With the ratings, late.
    Late,
    /// With 503.
    Unavailable,
    /// With 500, for want of the database.
    NoDatabase,
}

impl Variant {
    /// The variant of a version's name.
    #[must_use]
    pub fn of(version: &str) -> Self {
        match version {
            "v2" => Self::Database,
            "v-faulty" => Self::Faulty,
            "v-delayed" => Self::Delayed,
            "v-unavailable" => Self::Unavailable,
            "v-unhealthy" => Self::Unhealthy,
            _ => Self::Well,
        }
    }

    /// The answer to a request at `age` after the start; `coin` is a fair coin.
    #[must_use]
    pub fn mood(self, age: Duration, coin: bool) -> Mood {
        match self {
            Self::Database => Mood::NoDatabase,
            Self::Faulty if coin => Mood::Unavailable,
            Self::Delayed if coin => Mood::Late,
            Self::Unavailable if odd_period(age, 60) => Mood::Unavailable,
            Self::Unhealthy if odd_period(age, 900) => Mood::Unavailable,
            _ => Mood::Well,
        }
    }

    /// Whether the health check passes at `age` after the start.
    #[must_use]
    pub fn healthy(self, age: Duration) -> bool {
        self != Self::Unhealthy || !odd_period(age, 900)
    }
}

/// Whether `age` lies in the second, fourth, ... period of so many seconds.
fn odd_period(age: Duration, seconds: u64) -> bool {
    age.as_secs() / seconds % 2 == 1
}
