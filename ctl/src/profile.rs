//! `profile`: what profiles are made of. istioctl had these verbs until 1.23.

use std::io::Write;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{
    documents,
    options::{Options, PROFILES},
};

/// Verbs of `profile`.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Names of all profiles
    List,
    /// A profile as YAML, to be changed and installed with `install -f`
    Dump(DumpArgs),
}

/// Flags of `profile dump`.
#[derive(Args, Clone, Debug)]
pub struct DumpArgs {
    /// Which profile
    #[arg(default_value = "default")]
    pub name: String,
    /// Only what stands at a path below `spec`, such as components.ingressGateways
    #[arg(short = 'p', long, value_name = "PATH")]
    pub config_path: Option<String>,
}

impl ProfileCommand {
    /// Prints what is asked for.
    pub fn run(&self, out: &mut impl Write) -> Result<()> {
        match self {
            Self::List => {
                writeln!(out, "Profiles:")?;
                for (name, _) in PROFILES {
                    writeln!(out, "    {name}")?;
                }
                Ok(())
            }
            Self::Dump(arguments) => {
                let profile = Options::profile(&arguments.name)?;
                let part = match &arguments.config_path {
                    None => &profile,
                    Some(path) => at(&profile["spec"], path)
                        .with_context(|| format!("profile {} has nothing at {path}", arguments.name))?,
                };
                Ok(writeln!(out, "{}", documents::yaml(part)?.trim_end())?)
            }
        }
    }
}

fn at<'v>(tree: &'v Value, path: &str) -> Option<&'v Value> {
    path.split(['.', '[']).filter(|name| !name.is_empty()).try_fold(tree, |tree, name| match name.strip_suffix(']') {
        Some(number) => tree.get(number.parse::<usize>().ok()?),
        None => tree.get(name),
    })
}

#[cfg(test)]
mod tests;
