//! Could a file be made there?

use std::{fs, io, path::Path};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// Why no file could be made at `path`, or an empty one there be replaced. Nothing is made.
pub(super) fn could_make(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let may = Access::WRITE_OK | Access::EXEC_OK;
    Ok(accessat(CWD, folder, may, AtFlags::EACCESS)?)
}
