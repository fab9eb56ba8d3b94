//! Linux capabilities by name.

/// In the kernel's order: the index is the capability's number.
const NAMES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The set of these names, bit n for capability n; with or without `CAP_`, and `ALL` for all. The error is the name
/// that is none.
pub(super) fn mask(names: &[String]) -> Result<u64, &str> {
    names.iter().try_fold(0, |mask, name| {
        let plain = name.strip_prefix("CAP_").unwrap_or(name);
        if plain == "ALL" {
            return Ok(u64::MAX);
        }
        let number = NAMES.iter().position(|known| *known == plain).ok_or(name.as_str())?;
        Ok(mask | 1 << number)
    })
}
