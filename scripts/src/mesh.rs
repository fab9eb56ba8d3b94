//! The mesh on an instance of localkube: which data plane, and how it is installed.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use clap::ValueEnum;
use xshell::{Shell, cmd};

use crate::envoy;

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

/// Whether the mesh is on a cluster already.
pub(crate) fn is_installed(sh: &Shell, kubeconfig: &str) -> bool {
    let found = cmd!(sh, "kubectl --kubeconfig {kubeconfig} get deployment pilot --namespace istio-system");
    found.quiet().ignore_stdout().ignore_stderr().run().is_ok()
}

/// Installs the mesh with `lateenctl`, as a user would: profile `demo` has both gateways, `minimal` none.
pub(crate) fn install(
    sh: &Shell,
    programs: &Path,
    kubeconfig: &str,
    data_plane: DataPlane,
    profile: &str,
) -> Result<()> {
    let lateenctl = programs.join("lateenctl");
    let profile = format!("profile={profile}");
    let mut settings = vec!["--set", &profile, "--set", "meshConfig.accessLogFile=/dev/stdout"];
    if data_plane == DataPlane::Envoy {
        settings.extend(["--set", "meshConfig.defaultConfig.proxyMetadata.LATEEN_DATA_PLANE=envoy"]);
    }
    let install = cmd!(sh, "{lateenctl} install {settings...} -y").env("KUBECONFIG", kubeconfig);
    install.quiet().run().context("the mesh was not installed")
}
