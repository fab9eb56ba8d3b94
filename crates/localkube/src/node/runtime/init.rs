//! The set-up of a process, in a fresh copy of this program: one thread, so that namespaces and rights may change.
//!
//! It is born in the container's PID and network namespace (a new process: as PID 1), makes or joins the other
//! namespaces, gives up its rights, and becomes the program.

use std::{
    convert::Infallible,
    env,
    ffi::CString,
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    process,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    pty::{posix_openpt, ptsname_r, unlockpt},
    sched::{CloneFlags, setns, unshare},
    sys::{prctl, signal::SigSet, stat},
    unistd::{self, AccessFlags, Gid, Uid},
};

use super::{
    order::{self, Order, Process},
    rootfs, sys,
};

/// The hidden subcommand that the daemon re-executes itself with.
pub const SUBCOMMAND: &str = "container-init";

/// True if this process was started to be a container's first process; then [`main`] must be called at once, before
/// any thread exists.
pub fn is_asked_for() -> bool {
    env::args_os().nth(1).is_some_and(|argument| argument == SUBCOMMAND)
}

/// Sets up and becomes the program that the daemon's order names. It returns only by ending the process; failures go
/// to the daemon through the socket at standard input.
pub fn main() -> ! {
    let socket = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(socket) => UnixStream::from(socket),
        Err(_) => process::exit(1),
    };
    let Err(error) = run(&socket);
    // Should the daemon be gone, there is nobody left to tell.
    let _unheard = order::send_failure(&socket, &error);
    process::exit(1)
}

/// A step's failure, in words.
pub(super) fn failed(what: impl std::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn run(socket: &UnixStream) -> io::Result<Infallible> {
    let (Order { root, process }, descriptors) = order::receive(socket)?;
    let mut descriptors = descriptors.into_iter();
    if let Some(root) = &root {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)
            .map_err(|error| failed("unshare")(error.into()))?;
        rootfs::build(root)?;
    } else {
        let container = descriptors.next().ok_or_else(|| io::Error::other("no container was handed over"))?;
        let all =
            CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWNET;
        setns(container, all).map_err(|error| failed("joining the container's namespaces")(error.into()))?;
    }
    unistd::setsid()?;
    connect_streams(socket, &process, descriptors.collect())?;
    stat::umask(stat::Mode::from_bits_truncate(0o022));
    env::set_current_dir(&process.cwd).map_err(failed(format_args!("chdir to cwd ({:?})", process.cwd)))?;
    sys::default_signals();
    SigSet::empty().thread_set_mask()?;
    take_user(&process)?;
    sys::close_others_on_exec()?;
    become_program(socket, &process)
}

/// Puts the streams at 0, 1 and 2: those sent along, or a new terminal of the container.
fn connect_streams(socket: &UnixStream, process: &Process, given: Vec<OwnedFd>) -> io::Result<()> {
    let owner = Some(Uid::from_raw(process.uid));
    if process.tty {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)?;
        unlockpt(&master)?;
        let slave = File::options().read(true).write(true).open(ptsname_r(&master)?)?;
        unistd::fchown(&slave, owner, None)?;
        order::send_descriptors(socket, b'T', &[master.as_fd()])?;
        sys::control_terminal(slave.as_fd())?;
        return put([slave.as_fd(), slave.as_fd(), slave.as_fd()]);
    }
    let [stdin, stdout, stderr] = given.as_slice() else {
        return Err(io::Error::other("three streams are needed"));
    };
    for stream in &given {
        // A program that is not root may open /dev/stdout again; what is not a pipe (/dev/null) keeps its owner.
        let kind = stat::SFlag::from_bits_truncate(stat::fstat(stream)?.st_mode) & stat::SFlag::S_IFMT;
        if kind == stat::SFlag::S_IFIFO {
            unistd::fchown(stream, owner, None)?;
        }
    }
    put([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()])
}

fn put([stdin, stdout, stderr]: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    unistd::dup2_stdin(stdin)?;
    unistd::dup2_stdout(stdout)?;
    unistd::dup2_stderr(stderr)?;
    Ok(())
}

fn take_user(process: &Process) -> io::Result<()> {
    let groups: Vec<Gid> = process.groups.iter().copied().map(Gid::from_raw).collect();
    sys::limit_capabilities(process.capabilities).map_err(failed("dropping capabilities"))?;
    unistd::setgroups(&groups).map_err(|error| failed("setgroups")(error.into()))?;
    let (uid, gid) = (Uid::from_raw(process.uid), Gid::from_raw(process.gid));
    unistd::setresgid(gid, gid, gid).map_err(|error| failed(format_args!("setting group {gid}"))(error.into()))?;
    unistd::setresuid(uid, uid, uid).map_err(|error| failed(format_args!("setting user {uid}"))(error.into()))?;
    sys::set_capabilities(process.capabilities).map_err(failed("setting capabilities"))?;
    if process.no_new_privileges {
        prctl::set_no_new_privs()?;
    }
    Ok(())
}

fn become_program(socket: &UnixStream, process: &Process) -> io::Result<Infallible> {
    let name = process.command.first().ok_or_else(|| io::Error::other("no command specified"))?;
    let path = env_value(&process.env, "PATH").unwrap_or(DEFAULT_PATH);
    let program = look_up(name, path)?;
    let text = |bytes: Vec<u8>| CString::new(bytes).map_err(|_| io::Error::other("a zero byte in command or env"));
    let file = text(program.as_os_str().as_bytes().to_vec())?;
    let arguments: Vec<CString> =
        process.command.iter().map(|part| text(part.clone().into_bytes())).collect::<Result<_, _>>()?;
    let env: Vec<CString> = process
        .env
        .iter()
        .map(|(name, value)| text(format!("{name}={value}").into_bytes()))
        .collect::<Result<_, _>>()?;
    (&*socket).write_all(b"R")?;
    let Err(error) = unistd::execve(&file, &arguments, &env);
    let words = match error {
        Errno::ENOENT => "no such file or directory",
        Errno::EACCES => "permission denied",
        Errno::ENOEXEC => "exec format error",
        other => other.desc(),
    };
    Err(io::Error::new(io::Error::from(error).kind(), format!("exec {}: {words}", program.display())))
}

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn env_value<'a>(env: &'a [(String, String)], name: &str) -> Option<&'a str> {
    env.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Finds a program as a shell does, with the words that a person knows from container runtimes.
fn look_up(name: &str, path: &str) -> io::Result<PathBuf> {
    let error = |kind, words: &str| io::Error::new(kind, format!("exec: {name:?}: {words}"));
    if name.contains('/') {
        return match executable(Path::new(name)) {
            Ok(()) => Ok(PathBuf::from(name)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {
                Err(error(io::ErrorKind::NotFound, &format!("stat {name}: no such file or directory")))
            }
            Err(Errno::EISDIR) => Err(error(io::ErrorKind::PermissionDenied, "is a directory")),
            Err(_) => Err(error(io::ErrorKind::PermissionDenied, "permission denied")),
        };
    }
    let mut refused = false;
    for folder in path.split(':') {
        let candidate = Path::new(if folder.is_empty() { "." } else { folder }).join(name);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(why) => refused |= why == Errno::EACCES,
        }
    }
    if refused {
        return Err(error(io::ErrorKind::PermissionDenied, "permission denied"));
    }
    Err(error(io::ErrorKind::NotFound, "executable file not found in $PATH"))
}

fn executable(path: &Path) -> nix::Result<()> {
    let kind = stat::SFlag::from_bits_truncate(stat::stat(path)?.st_mode) & stat::SFlag::S_IFMT;
    if kind == stat::SFlag::S_IFDIR {
        return Err(Errno::EISDIR);
    }
    unistd::access(path, AccessFlags::X_OK)
}
