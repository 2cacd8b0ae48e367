use proptest::prelude::*;

use super::*;
use crate::clock::SystemEntropy;

fn loaded(path: &Path) -> Result<(StoreKey, Option<String>), KeyError> {
    StoreKey::load(path, None)
}

fn file(folder: &tempfile::TempDir, content: &[u8]) -> PathBuf {
    let path = folder.path().join("callotp.key");
    fs::write(&path, content).expect("a key file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

#[test]
fn a_key_is_made_once_for_its_owner_alone_and_read_ever_after() {
    let folder = folder();
    let path = folder.path().join("callotp.key");
    let (made, warning) = StoreKey::load(&path, Some(&SystemEntropy)).expect("made");
    assert_eq!(warning, None);
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (read, _) = loaded(&path).expect("read");
    assert_eq!(made.filing_fingerprint(), read.filing_fingerprint());
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 1);
}

#[test]
fn a_key_that_may_not_be_made_is_missed_and_so_is_a_folder() {
    let folder = folder();
    let absent = loaded(&folder.path().join("none")).err().expect("refused");
    assert!(absent.to_string().contains("there is none"), "{absent}");
    let nowhere = folder.path().join("no/folder");
    let nowhere = StoreKey::load(&nowhere, Some(&SystemEntropy)).err();
    assert!(matches!(nowhere, Some(KeyError::Io { .. })));
}

#[test]
fn a_file_that_others_can_read_gets_a_warning() {
    let folder = folder();
    let path = file(&folder, &[7; 32]);
    assert_eq!(loaded(&path).expect("read").1, None);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("its mode");
    let warning = loaded(&path).expect("read").1.expect("a warning");
    assert!(warning.contains("0640"), "{warning}");
}

#[test]
fn what_is_not_a_key_is_refused_and_the_line_is_named_but_not_shown() {
    let folder = folder();
    let short = format!("{A}\n{}\n", &B[1..]);
    let rows: [(&[u8], &str); 6] = [
        (b"", "it holds no key"),
        (b"# a comment\n", "it holds no key"),
        (&[7; 31], "line 1 is not a key"),
        (&[0xff; 33], "not text"),
        (short.as_bytes(), "line 2 is not a key"),
        (b"filing zz\n", "line 1 is not a key"),
    ];
    for (content, expected) in rows {
        let refusal = loaded(&file(&folder, content)).err().expect("refused");
        let refusal = refusal.to_string();
        assert!(refusal.contains(expected), "{refusal}");
        assert!(!refusal.contains("BBB"), "{refusal}");
    }
}

#[test]
fn a_rotated_key_makes_new_macs_accepts_old_ones_and_files_as_before() {
    let folder = folder();
    let key = |content: String| loaded(&file(&folder, content.as_bytes())).expect("keys").0;
    let old = key(A.to_owned());
    let new = key(format!("# rotated\n{B}\n{A}\n"));
    let done = key(format!("{B}\n\nfiling {A}\n"));
    let tenant = TenantId::new("t1");
    let filed: Vec<_> = [&old, &new, &done]
        .iter()
        .map(|key| (key.subject(&tenant, "anna"), key.filing_fingerprint()))
        .collect();
    assert!(filed.iter().all(|other| *other == filed[0]));
    let subject = filed[0].0;
    let mac = old.code(&subject, b"000017");
    let accepts = |key: &StoreKey| {
        key.codes(&subject, b"000017")
            .iter()
            .any(|own| own.matches(&mac))
    };
    assert!(!new.code(&subject, b"000017").matches(&mac));
    assert!(new.codes(&subject, b"000017")[0].matches(&new.code(&subject, b"000017")));
    assert!(accepts(&old) && accepts(&new) && !accepts(&done));
    assert_eq!(new.fingerprints()[1], old.fingerprints()[0]);
}

proptest! {
    #[test]
    fn a_key_file_of_any_content_is_read_or_refused(
        content in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            "(filing )?[0-9a-f#\n é]{0,70}".prop_map(String::into_bytes),
        ],
    ) {
        let _verdict = StoreKey::parse(&content);
    }
}
