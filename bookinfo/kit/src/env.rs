use std::str::FromStr;

/// Settings that cannot be used, all of them at once.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the environment has settings that cannot be used: {}", .0.join("; "))]
pub struct ConfigError(Vec<String>);

/// Reads settings by name and gathers what is wrong with them, so that one start shows every error.
pub struct Env<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<String>,
}

impl<'a> Env<'a> {
    /// Reads through `read`, which is the process's environment in `main` and a table in tests.
    #[must_use]
    pub fn new(read: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { read, errors: Vec::new() }
    }

    /// The value of `name`; an empty value counts as unset.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        (self.read)(name).filter(|value| !value.is_empty())
    }

    /// The value of `name`, or `default`.
    #[must_use]
    pub fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or_else(|| default.to_owned())
    }

    /// True when `name` is `true` in any case.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The number in `name`, or `default`; what is no number of this range is noted as an error.
    pub fn number<T: FromStr + Copy>(&mut self, name: &str, default: T) -> T {
        let Some(value) = self.get(name) else { return default };
        value.parse().unwrap_or_else(|_| {
            self.errors.push(format!("{name}={value:?} is not a number in range"));
            default
        })
    }

    /// The base address of a service: `http://{PREFIX_HOSTNAME}{.SERVICES_DOMAIN}:{PREFIX_SERVICE_PORT}`.
    pub fn service(&mut self, name: &str) -> String {
        let prefix = name.to_uppercase();
        let host = self.text(&format!("{prefix}_HOSTNAME"), name);
        let domain = self.get("SERVICES_DOMAIN").map(|domain| format!(".{domain}")).unwrap_or_default();
        let port: u16 = self.number(&format!("{prefix}_SERVICE_PORT"), 9080);
        format!("http://{host}{domain}:{port}")
    }

    /// `value` when nothing was wrong.
    ///
    /// # Errors
    /// Every setting that could not be used.
    pub fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.errors.is_empty() { Ok(value) } else { Err(ConfigError(self.errors)) }
    }
}

#[cfg(test)]
mod tests;
