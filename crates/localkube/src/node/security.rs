//! Who a container runs as, and what it may do: pod and container `securityContext` put together.

use k8s_openapi::api::core::v1::{Container, Pod, PodSecurityContext, SecurityContext};

use super::images::Program;

/// What containerd lets a container do that asks for nothing.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// Every capability of Linux 6.
const ALL_CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// A container's final identity and rights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups, fsGroup among them.
    pub groups: Vec<u32>,
    /// Capabilities kept, without `CAP_` (`NET_ADMIN`, ..., or `ALL`); as root they are effective, else only bounding.
    pub capabilities: Vec<String>,
    /// `allowPrivilegeEscalation: false`.
    pub no_new_privileges: bool,
    /// `privileged`.
    pub privileged: bool,
    /// `readOnlyRootFilesystem`.
    pub read_only_root: bool,
}

/// Decides them. An error is the text of `CreateContainerConfigError`.
pub fn rights(pod: &Pod, container: &Container, program: &Program) -> Result<Rights, String> {
    let for_pod = pod.spec.as_ref().and_then(|s| s.security_context.clone()).unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let user = own.run_as_user.or(for_pod.run_as_user);
    check_non_root(pod, container, &for_pod, &own, user.unwrap_or(i64::from(program.uid)), user.is_some())?;
    let id = |value: i64| u32::try_from(value).map_err(|_| format!("id {value} is out of range"));
    let group = own.run_as_group.or(for_pod.run_as_group);
    let mut groups = Vec::new();
    for group in for_pod.supplemental_groups.iter().flatten().chain(for_pod.fs_group.iter()) {
        groups.push(id(*group)?);
    }
    let privileged = own.privileged == Some(true);
    Ok(Rights {
        uid: user.map_or(Ok(program.uid), id)?,
        // As in a container runtime: a user given without a group is looked up, and an unknown one gets group 0.
        gid: group.map_or(Ok(if user.is_some() { 0 } else { program.gid }), id)?,
        groups,
        capabilities: capabilities(&own, privileged),
        no_new_privileges: own.allow_privilege_escalation == Some(false),
        privileged,
        read_only_root: own.read_only_root_filesystem == Some(true),
    })
}

fn check_non_root(
    pod: &Pod,
    container: &Container,
    for_pod: &PodSecurityContext,
    own: &SecurityContext,
    uid: i64,
    chosen: bool,
) -> Result<(), String> {
    if own.run_as_non_root.or(for_pod.run_as_non_root) != Some(true) || uid != 0 {
        return Ok(());
    }
    let what = if chosen {
        "container's runAsUser breaks non-root policy"
    } else {
        "container has runAsNonRoot and image will run as root"
    };
    Err(format!("{what} (pod: \"{}\", container: {})", full_name(pod), container.name))
}

/// `name_namespace(uid)`, the kubelet's way to name a pod in a text.
pub fn full_name(pod: &Pod) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let meta = &pod.metadata;
    format!("{}_{}({})", text(&meta.name), text(&meta.namespace), text(&meta.uid))
}

fn capabilities(own: &SecurityContext, privileged: bool) -> Vec<String> {
    let listed = |list: Option<&Vec<String>>| -> Vec<String> {
        list.into_iter().flatten().map(|c| c.to_uppercase().trim_start_matches("CAP_").to_owned()).collect()
    };
    let asked = own.capabilities.as_ref();
    let add = listed(asked.and_then(|c| c.add.as_ref()));
    let drop = listed(asked.and_then(|c| c.drop.as_ref()));
    let all = |list: &[String]| list.iter().any(|c| c == "ALL");
    let base: &[&str] = match () {
        () if privileged || all(&add) => &ALL_CAPABILITIES,
        () if all(&drop) => &[],
        () => &DEFAULT_CAPABILITIES,
    };
    let mut kept: Vec<String> =
        base.iter().filter(|c| privileged || !drop.iter().any(|d| d == *c)).map(|c| (*c).to_owned()).collect();
    for capability in add {
        if capability != "ALL" && !kept.contains(&capability) {
            kept.push(capability);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
