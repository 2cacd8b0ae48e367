//! The key file of the running program: made once, rotated while OTPs live.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::{
    node::{Node, Setting, folder},
    server::Server,
    start::{CHECK, DOCTOR, is_named, start},
};

fn write_key(folder: &Path, lines: &str) {
    fs::write(folder.join("callotp.key"), lines).expect("written");
}

#[tokio::test]
async fn a_key_file_and_a_store_are_made_once_and_for_their_owner_alone() {
    let folder = Setting::default().folder();
    let [key, store] = ["callotp.key", "callotp.redb"].map(|name| folder.path().join(name));
    fs::remove_file(&key).expect("it was there");
    let node = Node::start(folder.path());
    let otp = node.call(0).await.expect("an OTP");
    let made = fs::read(&key).expect("a key file");
    for path in [&key, &store] {
        let mode = fs::metadata(path).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path:?}");
    }
    drop(node);
    let node = Node::start(folder.path());
    assert_eq!(node.log_in(0, &otp).await, Some(200));
    assert!(fs::read(&key).expect("a key file") == made);
}

#[tokio::test]
async fn a_key_file_that_is_lost_is_missed_and_not_made_anew() {
    let folder = Setting::default().folder();
    drop(Node::start(folder.path()));
    fs::remove_file(folder.path().join("callotp.key")).expect("it was there");
    is_named(folder.path(), &[CHECK, DOCTOR], &["key"]);
    let said = start(folder.path());
    assert!(said.contains("put it back"), "{said}");
    assert!(!folder.path().join("callotp.key").exists(), "not made");
}

#[tokio::test]
async fn a_key_is_rotated_and_what_was_heard_before_logs_in_after_each_step() {
    let folder = Setting::default().folder();
    let [a, b] = ["5a", "b7"].map(|byte| byte.repeat(32));
    let mut node = Node::start(folder.path());
    let steps = [
        format!("{a}\n{b}\nfiling {a}\n"),
        format!("{b}\n{a}\n"),
        format!("{b}\nfiling {a}\n"),
    ];
    let mut heard = node.call(0).await.expect("an OTP");
    for (step, key) in steps.iter().enumerate() {
        drop(node);
        write_key(folder.path(), key);
        node = Node::start(folder.path());
        // In the last step the older key is gone, as an OTP made under it would be by then.
        assert_eq!(node.log_in(0, &heard).await, Some(200), "step {step}");
        heard = node.call(0).await.expect("an OTP");
    }
    drop(node);
    write_key(folder.path(), &format!("{b}\n{a}\n"));
    let node = Node::start(folder.path());
    assert_eq!(node.log_in(0, &heard).await, Some(200));
}

#[tokio::test]
async fn two_nodes_rotate_a_key_one_after_the_other() {
    let server = Server::start(&[]);
    let store = format!("kind = \"redis\"\nurl = \"{}\"", server.url());
    let [one, two] = [(); 2].map(|()| folder(&store));
    let [a, b] = ["5a", "b7"].map(|byte| byte.repeat(32));
    let mut nodes = [&one, &two].map(|folder| Node::start(folder.path()));
    for key in [format!("{a}\n{b}\nfiling {a}\n"), format!("{b}\n{a}\n")] {
        for (at, folder) in [&one, &two].into_iter().enumerate() {
            let heard = nodes[at].call(at).await.expect("an OTP");
            write_key(folder.path(), &key);
            nodes[at] = Node::start(folder.path());
            // Whichever node was asked, with whichever key it has.
            assert_eq!(nodes[1 - at].log_in(at, &heard).await, Some(200));
            let heard = nodes[at].call(at).await.expect("an OTP");
            assert_eq!(nodes[1 - at].log_in(at, &heard).await, Some(200));
        }
    }
}
