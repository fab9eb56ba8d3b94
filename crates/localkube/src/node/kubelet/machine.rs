//! What this machine is, as a Node tells it.

use std::{collections::BTreeMap, fs, thread};

use k8s_openapi::{api::core::v1::NodeSystemInfo, apimachinery::pkg::api::resource::Quantity};
use nix::sys::utsname::uname;

/// Capacity, which is allocatable too: limits are reported, not enforced.
pub fn resources() -> BTreeMap<String, Quantity> {
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let memory = total.and_then(|rest| rest.split_whitespace().next()).unwrap_or("0");
    let disk = nix::sys::statvfs::statvfs("/").map_or(0, |disk| disk.blocks() * disk.fragment_size() / 1024);
    let entries = [
        ("cpu", thread::available_parallelism().map_or(1, usize::from).to_string()),
        ("ephemeral-storage", format!("{disk}Ki")),
        ("hugepages-1Gi", "0".to_owned()),
        ("hugepages-2Mi", "0".to_owned()),
        ("memory", format!("{memory}Ki")),
        ("pods", "110".to_owned()),
    ];
    entries.into_iter().map(|(name, amount)| (name.to_owned(), Quantity(amount))).collect()
}

/// The architecture as Kubernetes names it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `status.nodeInfo`.
pub fn info() -> NodeSystemInfo {
    let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"');
    let kernel = uname().map(|u| u.release().to_string_lossy().into_owned()).unwrap_or_default();
    NodeSystemInfo {
        architecture: architecture().to_owned(),
        boot_id: line("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: "localkube://0.1".to_owned(),
        kernel_version: kernel,
        kube_proxy_version: String::new(),
        kubelet_version: "v1.33.0".to_owned(),
        machine_id: line("/etc/machine-id"),
        operating_system: "linux".to_owned(),
        os_image: name.to_owned(),
        system_uuid: line("/etc/machine-id"),
        ..NodeSystemInfo::default()
    }
}
