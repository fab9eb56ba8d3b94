//! An explanation as people read it.

use std::fmt;

use super::{
    answer::{Explanation, Made},
    targets::{Found, Target, rounded},
};

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.object, &self.field) {
            (Some(object), Some(field)) => write!(f, "{object} {field}"),
            (Some(object), None) => f.write_str(object),
            (None, _) if self.name.is_empty() => f.write_str("without a name"),
            (None, _) => f.write_str(&self.name),
        }?;
        match &self.object {
            Some(_) if !self.name.is_empty() => write!(f, " ({})", self.name),
            _ => Ok(()),
        }
    }
}

/// One line of the left column, and what stands beside it.
fn line(f: &mut fmt::Formatter<'_>, word: &str, text: &dyn fmt::Display) -> fmt::Result {
    writeln!(f, "{word:<14}{text}")
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} from {}\n", self.request, self.proxy)?;
        line(f, "Destination", &format!("{} ({})", self.destination, self.resolved))?;
        if let Some(listener) = &self.listener {
            line(f, "Listener", &named(listener))?;
        }
        if let Some(chain) = &self.filter_chain {
            let asks = if chain.asks.is_empty() { "any connection" } else { &chain.asks };
            let tls = if chain.ends_tls { "TLS ends here, " } else { "" };
            let does = if chain.reads_http { "HTTP" } else { "bytes" };
            let name = if chain.made.name.is_empty() { String::new() } else { format!("{}: ", chain.made.name) };
            line(f, "Filter chain", &format!("{name}{asks}, {tls}read as {does}"))?;
        }
        if let Some(table) = &self.route_table {
            line(f, "Routes", table)?;
        }
        if let Some(host) = &self.virtual_host {
            line(f, "Virtual host", &named(host))?;
        }
        for (index, passed) in self.passed.iter().enumerate() {
            line(f, if index == 0 { "Passed over" } else { "" }, &passed.route)?;
            for because in &passed.because {
                line(f, "", &format!("  {because}"))?;
            }
        }
        if let Some(route) = &self.route {
            let own = route.object.is_none() && route.name == "default";
            let comment = if own { ": the service itself, no VirtualService is for it" } else { "" };
            line(f, "Route", &format!("{route}{comment}"))?;
        }
        for target in &self.clusters {
            cluster(f, target, self.clusters.len() > 1)?;
        }
        for (index, what) in self.applies.iter().enumerate() {
            line(f, if index == 0 { "Applies" } else { "" }, what)?;
        }
        line(f, "Outcome", &self.outcome)?;
        self.fmt_rest(f)
    }
}

impl Explanation {
    fn fmt_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, sentences) in [("Next", &self.next), ("Note", &self.notes)] {
            for sentence in sentences {
                line(f, word, sentence)?;
            }
        }
        if self.listener.is_none() {
            return Ok(());
        }
        if self.behind.is_empty() {
            return line(f, "In step", &"yes, the proxy acknowledged all of this");
        }
        self.behind.iter().try_for_each(|sentence| line(f, "NOT IN STEP", sentence))
    }
}

/// The name first, what made it behind.
fn named(made: &Made) -> String {
    match &made.object {
        Some(object) => format!("{} ({object})", made.name),
        None => made.name.clone(),
    }
}

fn cluster(f: &mut fmt::Formatter<'_>, target: &Target, several: bool) -> fmt::Result {
    let share = if several { format!("{} %  ", rounded(target.percent)) } else { String::new() };
    line(f, "Cluster", &format!("{share}{}", target.cluster.name))?;
    if let Some(object) = &target.cluster.object {
        let field = target.cluster.field.as_ref().map(|field| format!(" {field}")).unwrap_or_default();
        let subset = target.subset.as_ref().map(|name| format!("subset {name}, ")).unwrap_or_default();
        line(f, "", &format!("  {subset}{object}{field}"))?;
    }
    if let Some(why) = &target.unusable {
        line(f, "", &format!("  {why}"))?;
    }
    for endpoint in &target.endpoints {
        let mut words = vec![endpoint.address.clone()];
        match target.found {
            Found::Dialled => words.push("as dialled".to_owned()),
            Found::Dns => words.push("by DNS".to_owned()),
            Found::Unknown | Found::Listed => {
                words.push(if endpoint.healthy { "healthy" } else { "unhealthy" }.to_owned());
                words.push(format!("weight {}", endpoint.weight));
                words.push(format!("priority {}", endpoint.priority));
            }
        }
        words.extend(Some(endpoint.locality.clone()).filter(|l| !l.is_empty()));
        words.extend(endpoint.workload.clone());
        line(f, "", &format!("  {}", words.join("  ")))?;
    }
    Ok(())
}
