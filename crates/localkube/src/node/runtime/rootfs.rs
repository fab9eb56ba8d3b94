//! A container's root: a small tmpfs with this machine's programs bound read-only, and what the pod asks for on top.
//!
//! The new root is entered first and the machine's own stays reachable at [`OLD`] until the end. So a symbolic link on
//! the way to a mount's target can never lead out of the container.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd,
};

use super::{Mount, init::failed, order::Root, sys};

/// The machine's root while the container's is being built.
const OLD: &str = "/.machine";
/// Where a folder is kept that another takes the place of.
const ASIDE: &str = "/.aside";

const FOLDERS: &[(&str, u32)] = &[
    (OLD, 0o700),
    ("/usr", 0o755),
    ("/etc", 0o755),
    ("/proc", 0o755),
    ("/sys", 0o755),
    ("/dev", 0o755),
    ("/tmp", 0o1777),
    ("/run", 0o755),
    ("/run/lock", 0o1777),
    ("/var", 0o755),
    ("/var/cache", 0o755),
    ("/var/lib", 0o755),
    ("/var/log", 0o755),
    ("/var/tmp", 0o1777),
    ("/root", 0o700),
    ("/home", 0o755),
    ("/opt", 0o755),
    ("/srv", 0o755),
    ("/mnt", 0o755),
];

/// In a merged-/usr system these are links into it.
const TOP: &[&str] = &["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Parts of the machine's configuration that its programs need to work; bound read-only where they exist.
const SHARED: &[&str] = &[
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ethertypes",
    "/etc/iproute2",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/protocols",
    "/etc/services",
    // Not its `certs`: a container's authorities are mounted there, on a machine that has none as well.
    "/etc/ssl/openssl.cnf",
];

const FILES: &[(&str, &str)] = &[
    (
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
         istio-proxy:x:1337:1337:istio-proxy:/home/istio-proxy:/usr/sbin/nologin\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\nistio-proxy:x:1337:\nnogroup:x:65534:\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"),
    ("/etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost\n"),
    ("/etc/resolv.conf", ""),
];

const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

const DEVICE_LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
    ("pts/ptmx", "/dev/ptmx"),
];

/// Kernel settings of the whole machine: not a container's to change, unless it is privileged.
const KERNEL_READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// Not a container's to see, unless it is privileged.
const KERNEL_HIDDEN: &[&str] = &["/proc/kcore", "/proc/keys", "/proc/timer_list"];

/// Makes the root and enters it. The caller must be in a mount namespace of its own.
pub(super) fn build(root: &Root) -> io::Result<()> {
    let mut mounts = root.mounts.clone();
    for one in &mut mounts {
        // Links in the source's path are the machine's, so they are followed while its root is still ours.
        one.source = fs::canonicalize(&one.source).map_err(failed(format_args!("mount source {:?}", one.source)))?;
    }
    // Outer targets first: a mount on /a must not hide one on /a/b.
    mounts.sort_by_key(|one| one.target.components().count());
    enter(&root.scratch)?;
    unistd::sethostname(&root.hostname)?;
    bind_programs(&mounts)?;
    write_files(&root.hostname)?;
    mount_kernel(root.privileged)?;
    mount_devices(root.privileged)?;
    for one in &mounts {
        bind(&old(&one.source), &one.target, one.read_only)?;
    }
    fs::create_dir_all(&root.cwd).map_err(failed(format_args!("making the working directory {:?}", root.cwd)))?;
    umount2(OLD, MntFlags::MNT_DETACH)?;
    fs::remove_dir(OLD)?;
    if root.read_only {
        sys::seal(Path::new("/"), false).map_err(failed("making the root read-only"))?;
    }
    Ok(())
}

fn old(path: &Path) -> PathBuf {
    Path::new(OLD).join(path.strip_prefix("/").unwrap_or(path))
}

fn enter(scratch: &Path) -> io::Result<()> {
    attach(None, Path::new("/"), None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, "")?;
    attach(Some(Path::new("tmpfs")), scratch, Some("tmpfs"), MsFlags::MS_NODEV, "mode=755,size=256m")?;
    let below = |path: &str| scratch.join(path.trim_start_matches('/'));
    for (path, mode) in FOLDERS {
        fs::create_dir(below(path))?;
        fs::set_permissions(below(path), fs::Permissions::from_mode(*mode))?;
    }
    unistd::pivot_root(scratch, &below(OLD)).map_err(|error| failed("pivot_root")(error.into()))?;
    std::env::set_current_dir("/")
}

/// `/usr` as it is, and links to it. Folders of it in which a mount needs a place that the machine has not become ours.
fn bind_programs(mounts: &[Mount]) -> io::Result<()> {
    bind(&old(Path::new("/usr")), Path::new("/usr"), true)?;
    let mut ours: Vec<&Path> = Vec::new();
    for one in mounts.iter().filter(|one| one.target.starts_with("/usr") && !one.target.exists()) {
        let folder = one.target.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/usr"));
        if !ours.iter().any(|path| folder.starts_with(path)) {
            take_over(folder)?;
            ours.push(folder);
        }
        make_point(&one.target, fs::metadata(old(&one.source))?.is_dir())?;
    }
    for folder in ours {
        sys::seal(folder, false)?;
    }
    for path in TOP.iter().map(Path::new) {
        match fs::read_link(old(path)) {
            Ok(link) => symlink(link, path)?,
            Err(_) if old(path).is_dir() => bind(&old(path), path, true)?,
            Err(_) => {}
        }
    }
    Ok(())
}

/// Puts a folder of our own in the place of a read-only one, with the same in it.
fn take_over(folder: &Path) -> io::Result<()> {
    let aside = Path::new(ASIDE);
    bind(folder, aside, false)?;
    attach(Some(Path::new("tmpfs")), folder, Some("tmpfs"), MsFlags::MS_NODEV, "mode=755,size=4m")?;
    for entry in fs::read_dir(aside)? {
        let (from, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        match fs::read_link(&from) {
            Ok(link) => symlink(link, folder.join(name))?,
            // What is bound from a read-only mount is read-only.
            Err(_) => bind(&from, &folder.join(name), false)?,
        }
    }
    umount2(aside, MntFlags::MNT_DETACH)?;
    fs::remove_dir(aside)
}

fn write_files(hostname: &str) -> io::Result<()> {
    for (path, text) in FILES {
        fs::write(path, text)?;
    }
    fs::write("/etc/hostname", format!("{hostname}\n"))?;
    symlink("/proc/self/mounts", "/etc/mtab")?;
    symlink("/run", "/var/run")?;
    symlink("/run/lock", "/var/lock")?;
    for path in SHARED.iter().map(Path::new).filter(|path| old(path).exists()) {
        bind(&old(path), path, true)?;
    }
    Ok(())
}

fn mount_kernel(privileged: bool) -> io::Result<()> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    attach(Some(Path::new("proc")), Path::new("/proc"), Some("proc"), plain, "")?;
    let access = if privileged { MsFlags::empty() } else { MsFlags::MS_RDONLY };
    attach(Some(Path::new("sysfs")), Path::new("/sys"), Some("sysfs"), plain | access, "")?;
    if privileged {
        return Ok(());
    }
    for path in KERNEL_READ_ONLY.iter().map(Path::new).filter(|path| path.exists()) {
        bind(path, path, true)?;
    }
    for path in KERNEL_HIDDEN.iter().map(Path::new).filter(|path| path.exists()) {
        bind(&old(Path::new("/dev/null")), path, false)?;
    }
    Ok(())
}

fn mount_devices(privileged: bool) -> io::Result<()> {
    let machine = old(Path::new("/dev"));
    attach(Some(Path::new("tmpfs")), Path::new("/dev"), Some("tmpfs"), MsFlags::MS_NOSUID, "mode=755,size=64k")?;
    for name in DEVICES {
        bind(&machine.join(name), &Path::new("/dev").join(name), false)?;
    }
    if privileged && machine.join("net/tun").exists() {
        bind(&machine.join("net/tun"), Path::new("/dev/net/tun"), false)?;
    }
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    fs::create_dir("/dev/pts")?;
    attach(
        Some(Path::new("devpts")),
        Path::new("/dev/pts"),
        Some("devpts"),
        quiet,
        "newinstance,ptmxmode=0666,mode=0620,gid=5",
    )?;
    fs::create_dir("/dev/shm")?;
    attach(
        Some(Path::new("shm")),
        Path::new("/dev/shm"),
        Some("tmpfs"),
        quiet | MsFlags::MS_NODEV,
        "mode=1777,size=64m",
    )?;
    for (target, link) in DEVICE_LINKS {
        symlink(target, link)?;
    }
    Ok(())
}

/// Binds `source`, with all that is mounted below it, at `target`, which is made if missing.
fn bind(source: &Path, target: &Path, read_only: bool) -> io::Result<()> {
    let folder = fs::metadata(source).map_err(failed(format_args!("mount source {source:?}")))?.is_dir();
    make_point(target, folder)?;
    attach(Some(source), target, None, MsFlags::MS_BIND | MsFlags::MS_REC, "")?;
    if read_only {
        sys::seal(target, true).map_err(failed(format_args!("making {target:?} read-only")))?;
    }
    Ok(())
}

/// Makes the folder or the empty file that a mount covers.
fn make_point(target: &Path, folder: bool) -> io::Result<()> {
    if target.components().any(|part| part == Component::ParentDir) || !target.is_absolute() {
        return Err(io::Error::other(format!("mount target {target:?} must be absolute and without \"..\"")));
    }
    let words = |error| failed(format_args!("mount target {target:?}"))(error);
    match fs::metadata(target) {
        Ok(there) if there.is_dir() == folder => Ok(()),
        Ok(_) if folder => Err(words(io::Error::other("a folder cannot be mounted on a file"))),
        Ok(_) => Err(words(io::Error::other("a file cannot be mounted on a folder"))),
        Err(_) if folder => fs::create_dir_all(target).map_err(words),
        Err(_) => {
            fs::create_dir_all(target.parent().unwrap_or(Path::new("/"))).map_err(words)?;
            fs::File::create(target).map(drop).map_err(words)
        }
    }
}

fn attach(source: Option<&Path>, target: &Path, kind: Option<&str>, flags: MsFlags, data: &str) -> io::Result<()> {
    let data = (!data.is_empty()).then_some(data);
    mount(source, target, kind, flags, data).map_err(|error| {
        let what = source.unwrap_or(Path::new("/"));
        failed(format_args!("mounting {what:?} at {target:?}"))(error.into())
    })
}
