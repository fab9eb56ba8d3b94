//! The mesh on an instance of localkube: which data plane, and how it is installed.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use clap::ValueEnum;
use xshell::{Shell, cmd};

use crate::{envoy, localkube::Localkube};

/// What runs beside the applications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataPlane {
    /// Our proxy.
    #[default]
    Lateen,
    /// Stock Envoy, driven by our pilot.
    Envoy,
}

impl DataPlane {
    /// As the promises read it from `LATEEN_DATA_PLANE`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lateen => "lateen",
            Self::Envoy => "envoy",
        }
    }

    /// Further options of `localkube up`.
    pub(crate) fn options(self, sh: &Shell) -> Result<Vec<String>> {
        if self == Self::Lateen {
            return Ok(Vec::new());
        }
        let program = envoy::program(sh)?;
        let file = sh.current_dir().join("target/tools/images-envoy.yaml");
        fs::write(&file, envoy::catalogue(&program)).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(vec!["--images".to_owned(), file.display().to_string()])
    }
}

/// Installs the mesh with `lateenctl`, as a user would.
pub(crate) fn install(sh: &Shell, programs: &Path, cluster: &Localkube, data_plane: DataPlane) -> Result<()> {
    let lateenctl = programs.join("lateenctl");
    let kubeconfig = cluster.kubeconfig(sh)?;
    let mut settings = vec!["--set", "meshConfig.accessLogFile=/dev/stdout"];
    if data_plane == DataPlane::Envoy {
        settings.extend(["--set", "meshConfig.defaultConfig.proxyMetadata.LATEEN_DATA_PLANE=envoy"]);
    }
    let install = cmd!(sh, "{lateenctl} install {settings...} -y").env("KUBECONFIG", kubeconfig);
    install.quiet().run().context("the mesh was not installed")
}
