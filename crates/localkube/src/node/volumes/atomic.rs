//! All files of a volume change at once: they live in a dated folder that the link `..data` points to.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
};

use k8s_openapi::jiff::Timestamp;

use super::payload::Payload;

const DATA: &str = "..data";

/// Makes `folder` hold exactly `payload`. Readers see all of the old files or all of the new ones.
pub fn write(folder: &Path, payload: &Payload, group: Option<u32>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    dress(folder, 0o755, group, 0o2050)?;
    let old = fs::read_link(folder.join(DATA)).ok();
    let name = Timestamp::now().strftime("..%Y_%m_%d_%H_%M_%S.%9f").to_string();
    let fresh = folder.join(&name);
    fs::create_dir(&fresh)?;
    dress(&fresh, 0o755, group, 0o2050)?;
    for (path, file) in payload {
        let target = fresh.join(path);
        let parents: Vec<&Path> = Path::new(path).ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
        for parent in parents.iter().rev() {
            if !fresh.join(parent).exists() {
                fs::create_dir(fresh.join(parent))?;
                dress(&fresh.join(parent), 0o755, group, 0o2050)?;
            }
        }
        fs::write(&target, &file.bytes)?;
        dress(&target, file.mode, group, 0o040)?;
    }
    let link = folder.join("..data_tmp");
    match fs::remove_file(&link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(&name, &link)?;
    fs::rename(&link, folder.join(DATA))?;
    link_names(folder, payload)?;
    if let Some(old) = old {
        fs::remove_dir_all(folder.join(old))?;
    }
    Ok(())
}

/// One link for each name at the top, through `..data`; links of names that are gone go.
fn link_names(folder: &Path, payload: &Payload) -> io::Result<()> {
    let names: BTreeSet<&str> = payload.keys().filter_map(|path| path.split('/').next()).collect();
    for name in &names {
        let link = folder.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let stale = name.to_str().is_none_or(|n| !n.starts_with("..") && !names.contains(n));
        if stale {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Permission bits whatever the umask is; with an fsGroup also its ownership and bits.
fn dress(path: &Path, mode: u32, group: Option<u32>, for_group: u32) -> io::Result<()> {
    if let Some(group) = group {
        chown(path, None, Some(group))?;
    }
    let mode = if group.is_some() { mode | for_group } else { mode };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
