//! What is wrong with a store is named when the program starts, by `check` and by `doctor`, and
//! what was found there is left as it was.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::Command,
};

use super::{
    node::{Node, Setting, callotp, folder},
    server::{Server, free_port},
};

/// What `serve` says before it ends, which it has to do by itself.
pub(crate) fn start(folder: &Path) -> String {
    let ended = Command::new("timeout")
        .args(["30", env!("CARGO_BIN_EXE_callotp"), "serve", "--config"])
        .arg(folder.join("callotp.toml"))
        .env_clear()
        .output()
        .expect("timeout (Debian: coreutils)");
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8(said).expect("text");
    assert_eq!(ended.status.code(), Some(1), "{said}");
    said
}

/// What is wrong is wrong with the configuration to `check`, and with the world to `doctor`.
pub(crate) const CHECK: (&str, i32) = ("check", 2);
pub(crate) const DOCTOR: (&str, i32) = ("doctor", 1);

/// `serve` and these commands all end as they should, and each says all of `expected`.
pub(crate) fn is_named(folder: &Path, commands: &[(&'static str, i32)], expected: &[&str]) {
    let mut all = vec![("serve", start(folder))];
    for (command, ends_with) in commands {
        let (said, code) = callotp(folder, &[command], "");
        assert_eq!(code, Some(*ends_with), "{command}: {said}");
        all.push((command, said));
    }
    for (command, said) in all {
        for expected in expected {
            assert!(
                said.contains(expected),
                "{command} does not say {expected:?}: {said}"
            );
        }
    }
}

#[test]
fn a_path_that_leads_nowhere_is_named() {
    for path in ["no/such/callotp.redb", ".", "people.ldif/callotp.redb"] {
        let folder = folder(&format!("kind = \"embedded\"\npath = \"{path}\""));
        is_named(
            folder.path(),
            &[CHECK, DOCTOR],
            &[path.trim_start_matches('.')],
        );
        let files = fs::read_dir(&folder).expect("the folder").count();
        assert_eq!(files, 3, "nothing was made");
    }
}

#[test]
fn a_folder_without_rights_is_named() {
    let folder = Setting::default().folder();
    fs::remove_file(folder.path().join("callotp.key")).expect("it was there");
    // Whoever runs the tests may be root, whom no mode keeps out; nobody is nobody.
    let readable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), readable).expect("ours");
    let nobody = folder.path().join("callotp");
    fs::copy(env!("CARGO_BIN_EXE_callotp"), &nobody).expect("a copy that nobody may run");
    let root = fs::metadata("/proc/self").expect("this process").uid() == 0;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).expect("ours");
    for command in ["serve", "check", "doctor"] {
        let mut run = match root {
            true => Command::new("setpriv"),
            false => Command::new("env"),
        };
        if root {
            run.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }
        let ended = run
            .args(["timeout", "30"])
            .arg(&nobody)
            .args([command, "--config"])
            .arg(folder.path().join("callotp.toml"))
            .output()
            .expect("setpriv (Debian: util-linux)");
        let said = [ended.stdout, ended.stderr].concat();
        let said = String::from_utf8(said).expect("text");
        assert_ne!(ended.status.code(), Some(0), "{command}: {said}");
        assert!(said.contains("callotp.key: Permission denied"), "{said}");
        if command != "serve" {
            assert!(said.contains("callotp.redb: Permission denied"), "{said}");
        }
    }
    let writable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), writable).expect("ours");
}

#[test]
fn a_file_that_is_foreign_cut_or_newer_is_named_and_left_byte_for_byte() {
    let folder = Setting::default().folder();
    drop(Node::start(folder.path()));
    let path = folder.path().join("callotp.redb");
    let whole = fs::read(&path).expect("the store");
    let newer = {
        let database = redb::Database::open(&path).expect("ours is redb's");
        let writing = database.begin_write().expect("a transaction");
        let meta = redb::TableDefinition::<&str, &[u8]>::new("callotp");
        let mut table = writing.open_table(meta).expect("the table");
        table
            .insert("format", &2_u32.to_le_bytes()[..])
            .expect("an entry");
        drop(table);
        writing.commit().expect("a commit");
        drop(database);
        fs::read(&path).expect("the store")
    };
    let rows = [
        (&b"user,password\n"[..], "not a callotp store"),
        (&whole[..whole.len() / 2], "damaged"),
        (&newer, "it has format 2"),
    ];
    for (content, expected) in rows {
        fs::write(&path, content).expect("written");
        let expected = ["callotp.redb", expected, "left as it is"];
        is_named(folder.path(), &[CHECK, DOCTOR], &expected);
        let (said, code) = callotp(folder.path(), &["locks"], "");
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(expected[1]), "{said}");
        assert!(fs::read(&path).expect("the store") == content, "changed");
    }
    fs::write(&path, whole).expect("written");
    fs::write(folder.path().join("callotp.key"), "5b".repeat(32)).expect("written");
    is_named(folder.path(), &[CHECK, DOCTOR], &["another key"]);
}

#[test]
fn a_second_program_on_one_file_says_so_and_looking_at_it_is_no_harm() {
    let folder = Setting::default().folder();
    let first = Node::start(folder.path());
    let second = start(folder.path());
    assert!(second.contains("another process has it open"), "{second}");
    let (said, code) = callotp(folder.path(), &["check"], "");
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = callotp(folder.path(), &["doctor"], "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("in use"), "{said}");
    drop(first);
}

#[test]
fn a_redis_that_cannot_be_used_is_named_and_its_password_is_not() {
    let nobody = free_port();
    let server = Server::start(&["requirepass right"]);
    let evicts = Server::start(&["maxmemory-policy allkeys-lru"]);
    let replica = Server::start(&[
        &format!("replicaof 127.0.0.1 {}", server.port),
        "masterauth right",
    ]);
    let rows = [
        (format!("redis://127.0.0.1:{nobody}"), "cannot be reached"),
        (
            format!("redis://:wr0ng@127.0.0.1:{}", server.port),
            "password is wrong",
        ),
        (server.url(), "wants a password"),
        (evicts.url(), "maxmemory-policy"),
        (replica.url(), "is a replica"),
    ];
    for (url, expected) in rows {
        let folder = folder(&format!("kind = \"redis\"\nurl = \"{url}\""));
        is_named(folder.path(), &[DOCTOR], &["127.0.0.1", expected]);
        let (said, _) = callotp(folder.path(), &["doctor"], "");
        assert!(!said.contains("wr0ng"), "{said}");
    }
}

#[test]
fn a_redis_without_its_key_file_is_named() {
    let server = Server::start(&[]);
    let folder = folder(&format!("kind = \"redis\"\nurl = \"{}\"", server.url()));
    fs::remove_file(folder.path().join("callotp.key")).expect("it was there");
    is_named(
        folder.path(),
        &[CHECK, DOCTOR],
        &["callotp.key", "there is none"],
    );
}
