//! The file under the journal, and a view of it that changes nothing.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redb::StorageBackend;

/// The file itself. Whoever made it holds its lock; the lock ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    file: Arc<File>,
    #[cfg(test)]
    pub(super) full: Arc<std::sync::atomic::AtomicBool>,
}

impl Disk {
    pub(super) fn new(file: File) -> Self {
        Self {
            file: Arc::new(file),
            #[cfg(test)]
            full: Arc::default(),
        }
    }

    /// In tests a disk can be full; else there is always room as far as we know.
    fn room(&self) -> io::Result<()> {
        #[cfg(test)]
        if self.full.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        self.file.write_all_at(data, offset)
    }
}

/// The file as it would be: what is written stays in memory. A file that turns out not
/// to be ours, or to be broken, is left as it was.
#[derive(Debug)]
pub(super) struct Overlay {
    disk: Disk,
    changed: Mutex<Changed>,
}

#[derive(Debug)]
struct Changed {
    len: u64,
    /// How much of the file is still to be seen, where nothing lies over it.
    seen: u64,
    blocks: BTreeMap<u64, Box<[u8; BLOCK]>>,
}

const BLOCK: usize = 4096;

impl Overlay {
    pub(super) fn over(disk: Disk) -> io::Result<Self> {
        let len = disk.len()?;
        let changed = Mutex::new(Changed {
            len,
            seen: len,
            blocks: BTreeMap::new(),
        });
        Ok(Self { disk, changed })
    }

    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file holds of a block; zeros beyond what is seen of it.
    fn on_disk(&self, seen: u64, block: u64, out: &mut [u8; BLOCK]) -> io::Result<()> {
        let start = block * BLOCK as u64;
        let held = seen.saturating_sub(start).min(BLOCK as u64);
        let held = usize::try_from(held).unwrap_or(BLOCK);
        self.disk.read(start, &mut out[..held])
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed();
        if offset.saturating_add(out.len() as u64) > changed.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for_each_block(offset, out.len(), |block, within, range| {
            let out = &mut out[range];
            match changed.blocks.get(&block) {
                Some(bytes) => out.copy_from_slice(&bytes[within..within + out.len()]),
                None => {
                    let mut bytes = [0; BLOCK];
                    self.on_disk(changed.seen, block, &mut bytes)?;
                    out.copy_from_slice(&bytes[within..within + out.len()]);
                }
            }
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changed = self.changed();
        if len < changed.len {
            changed.seen = changed.seen.min(len);
            let kept = len.div_ceil(BLOCK as u64);
            drop(changed.blocks.split_off(&kept));
            let within = usize::try_from(len % BLOCK as u64).unwrap_or_default();
            if let Some(last) = changed.blocks.get_mut(&(len / BLOCK as u64)) {
                last[within..].fill(0);
            }
        }
        changed.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changed = self.changed();
        for_each_block(offset, data.len(), |block, within, range| {
            let data = &data[range];
            let mut bytes = match changed.blocks.remove(&block) {
                Some(bytes) => bytes,
                None => {
                    let mut bytes = Box::new([0; BLOCK]);
                    self.on_disk(changed.seen, block, &mut bytes)?;
                    bytes
                }
            };
            bytes[within..within + data.len()].copy_from_slice(data);
            changed.blocks.insert(block, bytes);
            Ok(())
        })
    }
}

/// Cuts `length` bytes at `offset` at the borders of blocks: the block, where in it, and
/// which part of the caller's buffer.
fn for_each_block(
    offset: u64,
    length: usize,
    mut part: impl FnMut(u64, usize, std::ops::Range<usize>) -> io::Result<()>,
) -> io::Result<()> {
    let mut done = 0;
    while done < length {
        let at = offset + done as u64;
        let within = usize::try_from(at % BLOCK as u64).unwrap_or_default();
        let some = (BLOCK - within).min(length - done);
        part(at / BLOCK as u64, within, done..done + some)?;
        done += some;
    }
    Ok(())
}
