//! The engine in a file.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use callotp::{
    clock::{ManualClock, SystemClock},
    otp::store::{OtpStore, StoreError, StoreKey, embedded::EmbeddedStore},
};

use super::laws::{Claims, Engine, answers_as_the_reference};

/// Every store in a file of its own; all in one folder that goes with the test.
struct Embedded {
    folder: tempfile::TempDir,
    files: std::sync::atomic::AtomicU32,
}

impl Embedded {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            files: 0.into(),
        }
    }

    fn newest(&self) -> PathBuf {
        let file = self.files.load(std::sync::atomic::Ordering::SeqCst);
        self.folder.path().join(format!("{file}.redb"))
    }
}

fn key() -> StoreKey {
    StoreKey::new(&[7; 32])
}

fn open(path: &Path) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(path, &key(), Arc::new(SystemClock::start()))
}

fn refusal(path: &Path) -> String {
    open(path).err().expect("refused").to_string()
}

impl Engine for Embedded {
    async fn open(&self, clock: ManualClock) -> Arc<dyn OtpStore> {
        let _gone = fs::remove_file(self.newest());
        self.files.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let store = EmbeddedStore::open(&self.newest(), &key(), Arc::new(clock));
        Arc::new(store.expect("a new store"))
    }

    async fn restart(
        &self,
        store: Arc<dyn OtpStore>,
        clock: ManualClock,
    ) -> (Arc<dyn OtpStore>, Claims) {
        assert_eq!(Arc::strong_count(&store), 1, "the store closes now");
        drop(store);
        let open = || EmbeddedStore::open(&self.newest(), &key(), Arc::new(clock.clone()));
        let mut store = open();
        // A program that another test starts at this moment holds the file's lock as well,
        // until it has become that program.
        while matches!(store, Err(StoreError::InUse(_))) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            store = open();
        }
        (Arc::new(store.expect("the same store")), Claims::Ended)
    }
}

#[test]
fn embedded_answers_as_the_reference() {
    answers_as_the_reference(&Embedded::new(), 100);
}

#[test]
fn the_file_is_its_owners_alone_and_one_process_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callotp.redb");
    let store = open(&path).expect("a new store");
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = refusal(&path);
    assert!(second.contains("another process has it open"), "{second}");
    drop(store);
    drop(open(&path).expect("the first is gone"));
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 1);
}

#[test]
fn a_file_that_is_not_ours_or_not_whole_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let ours = folder.path().join("ours.redb");
    drop(open(&ours).expect("a new store"));
    let whole = fs::read(&ours).expect("a file");
    let foreign = folder.path().join("foreign.redb");
    let other = redb::Database::create(&foreign).expect("another program's");
    drop(other);
    let mut flipped = whole.clone();
    for at in (4096..flipped.len()).step_by(512) {
        flipped[at] ^= 0x55;
    }
    let mut headless = whole.clone();
    headless[9..320].fill(0xff);
    let mut rows: Vec<(&str, Vec<u8>)> = vec![
        ("not a callotp store", b"user,password\n".to_vec()),
        ("not a callotp store", vec![0; 100_000]),
        ("not a callotp store", fs::read(&foreign).expect("a file")),
        ("damaged", headless),
        ("damaged", flipped),
    ];
    for cut in [8, 9, 100, 320, 4096, 5000, whole.len() / 2, whole.len() - 1] {
        let expected = if cut < 9 {
            "not a callotp store"
        } else {
            "damaged"
        };
        rows.push((expected, whole[..cut].to_vec()));
    }
    let path = folder.path().join("callotp.redb");
    for (expected, content) in rows {
        fs::write(&path, &content).expect("a file");
        let refusal = refusal(&path);
        let size = content.len();
        assert!(refusal.contains(expected), "{size} bytes: {refusal}");
        assert!(refusal.contains("left as it is"), "{refusal}");
        let left = fs::read(&path).expect("still there");
        assert!(left == content, "{size} bytes: changed by a refusal");
    }
}

#[test]
fn a_newer_format_and_another_key_are_refused_and_the_file_is_left_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callotp.redb");
    drop(open(&path).expect("a new store"));
    let before = fs::read(&path).expect("a file");
    let other = StoreKey::new(&[8; 32]);
    let clock = Arc::new(SystemClock::start());
    let refusal_of_key = EmbeddedStore::open(&path, &other, clock).err();
    assert!(matches!(refusal_of_key, Some(StoreError::OtherKey { .. })));
    assert!(fs::read(&path).expect("a file") == before);

    let database = redb::Database::open(&path).expect("ours is redb's");
    let writing = database.begin_write().expect("a transaction");
    {
        let meta = redb::TableDefinition::<&str, &[u8]>::new("callotp");
        let mut meta = writing.open_table(meta).expect("the table");
        meta.insert("format", &2_u32.to_le_bytes()[..])
            .expect("an entry");
    }
    writing.commit().expect("a commit");
    drop(database);
    let before = fs::read(&path).expect("a file");
    let newer = refusal(&path);
    assert!(newer.contains("it has format 2"), "{newer}");
    assert!(fs::read(&path).expect("a file") == before);
}

#[test]
fn a_path_that_leads_nowhere_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in [folder.path().join("no/such.redb"), folder.path().to_owned()] {
        let refusal = refusal(&path);
        assert!(refusal.contains(&path.display().to_string()), "{refusal}");
    }
}

#[test]
fn an_empty_file_becomes_a_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callotp.redb");
    fs::write(&path, b"").expect("an empty file");
    drop(open(&path).expect("a store"));
    drop(open(&path).expect("the same"));
}
