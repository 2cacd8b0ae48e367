//! Where log lines go: into a bounded buffer in memory, and from there to standard error
//! (or a file) by a thread of its own, so that a slow terminal or a full pipe never makes a
//! caller wait.

use std::{
    io::Write,
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For reading.
    Text,
}

/// Bytes that may wait to be written; lines beyond are dropped, and the drop is logged.
const LIMIT: usize = 8 << 20;

/// How long the thread gathers lines before it writes them.
const GATHER: Duration = Duration::from_millis(5);

/// The log. Lines still waiting are written when the last handle goes.
pub struct Log {
    shared: Arc<Shared>,
    format: Format,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    dropped: u64,
    closed: bool,
}

impl Shared {
    /// A panic while holding the lock cannot have left the bytes in a worse state than a cut-off line.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// A log that writes to `sink`.
    pub fn to(sink: impl Write + Send + 'static, format: Format) -> Arc<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || drain(&of_thread, sink, format))
            .ok();
        Arc::new(Self {
            shared,
            format,
            thread: Mutex::new(thread),
        })
    }

    /// Writes what is waiting, and takes no more. For the end of a program, which some
    /// handle of the log may outlive.
    pub fn close(&self) {
        self.shared.queue().closed = true;
        self.shared.filled.notify_one();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // The thread only fails if the sink panics, and then nothing can be told.
            let _ = thread.join();
        }
    }

    /// Has one line written, end of line included.
    pub fn line(&self, write: impl FnOnce(&mut Vec<u8>, Format)) {
        let mut queue = self.shared.queue();
        if queue.closed || queue.bytes.len() > LIMIT {
            queue.dropped += 1;
            return;
        }
        let sleeping = queue.bytes.is_empty();
        write(&mut queue.bytes, self.format);
        drop(queue);
        if sleeping {
            self.shared.filled.notify_one();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

/// Writes what is queued until the log is closed and empty.
fn drain(shared: &Shared, mut sink: impl Write, format: Format) {
    let mut batch = Vec::new();
    loop {
        let mut queue = shared.queue();
        while queue.bytes.is_empty() && !queue.closed {
            queue = shared
                .filled
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if !queue.closed {
            drop(queue);
            thread::sleep(GATHER);
            queue = shared.queue();
        }
        mem::swap(&mut batch, &mut queue.bytes);
        let dropped = mem::take(&mut queue.dropped);
        let closed = queue.closed;
        drop(queue);
        if dropped > 0 {
            let note = format!("{dropped} log lines dropped: the log was not read in time");
            let note = match format {
                Format::Json => format!("{{\"level\":\"error\",\"message\":\"{note}\"}}\n"),
                Format::Text => format!("ERROR {note}\n"),
            };
            batch.extend_from_slice(note.as_bytes());
        }
        // A log that cannot be written has nowhere to say so.
        let _ = sink.write_all(&batch).and_then(|()| sink.flush());
        batch.clear();
        batch.shrink_to(1 << 20);
        if closed {
            return;
        }
    }
}
