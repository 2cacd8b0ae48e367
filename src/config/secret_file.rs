//! Secrets in files of their own. Errors name the file, never what is in it.

use std::{fs::File, io::Read as _, path::Path};

use zeroize::{Zeroize as _, Zeroizing};

use crate::secret::Secret;

/// Bytes; what is longer is not a password but a mistake.
const LONGEST: u64 = 64 * 1024;

/// The text of the file at `path`, without the newline at its end.
pub(super) fn read(path: &Path) -> Result<Secret, String> {
    let text = text(path)?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok(Secret::new(secret.to_owned()))
}

/// The lines of the file at `path` that are not empty, at least one.
pub(super) fn read_lines(path: &Path) -> Result<Vec<Secret>, String> {
    let text = text(path)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets: Vec<Secret> = lines.map(|line| Secret::new(line.to_owned())).collect();
    match secrets.is_empty() {
        true => Err(format!("{} is empty", path.display())),
        false => Ok(secrets),
    }
}

fn text(path: &Path) -> Result<Zeroizing<String>, String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > LONGEST {
        bytes.zeroize();
        return Err(format!("{} is longer than 64 KiB", path.display()));
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => Err(format!("{} holds a NUL", path.display())),
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(format!("{} is not UTF-8", path.display()))
        }
    }
}
