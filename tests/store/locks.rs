//! `callotp locks`: listed, ended, and moved from one engine to another.

use std::path::Path;

use serde_json::json;

use super::{
    node::{Node, Setting, another, callotp, folder, number},
    server::Server,
};

/// Runs `callotp locks` in `folder`.
fn locks(folder: &Path, action: &[&str], input: &str) -> (String, Option<i32>) {
    callotp(folder, &[&["locks"], action].concat(), input)
}

async fn lock_out(node: &Node, person: usize) {
    for _ in 0..5 {
        let otp = node.call(person).await.expect("an OTP");
        assert_eq!(node.log_in(person, &another(&otp)).await, Some(403));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_are_listed_ended_and_moved_from_a_file_to_redis() {
    let admin = super::server::free_port();
    let file = Setting {
        admin,
        ..Setting::default()
    };
    let file = file.folder();
    let file = file.path();
    let node = Node::start(file);
    assert_eq!(
        locks(file, &[], ""),
        ("nobody is locked\n".to_owned(), Some(0))
    );
    lock_out(&node, 3).await;
    lock_out(&node, 4).await;

    // While the server runs, it is asked.
    let (listed, code) = locks(file, &["list"], "");
    assert_eq!((listed.lines().count(), code), (2, Some(0)), "{listed}");
    assert!(listed.contains("t1\tperson03\t20"), "{listed}");
    let unlocked = locks(file, &["unlock", "PERSON03"], "");
    assert_eq!(unlocked, ("PERSON03: 1 unlocked\n".to_owned(), Some(0)));
    let otp = node.call(3).await.expect("an OTP");
    assert_eq!(node.log_in(3, &otp).await, Some(200));
    let again = locks(file, &["unlock", "person03"], "");
    assert_eq!(again, ("person03 is not locked\n".to_owned(), Some(1)));
    let (exported, _) = locks(file, &["export"], "");
    let taken = |locked| (format!("{locked} locked that were not\n"), Some(0));
    assert_eq!(locks(file, &["import"], &exported), taken(0));

    // And when it does not, its file.
    drop(node);
    assert_eq!(locks(file, &["export"], ""), (exported.clone(), Some(0)));
    assert_eq!(locks(file, &["unlock", "person04"], "").1, Some(0));
    assert_eq!(locks(file, &["import"], &exported), taken(1));

    let server = Server::start(&[]);
    let redis = folder(&format!("kind = \"redis\"\nurl = \"{}\"", server.url()));
    let redis = redis.path();
    assert_eq!(locks(redis, &["import"], &exported), taken(1));
    let node = Node::start(redis);
    let body = json!({ "phonenumber": number(4) });
    let (status, _) = node.ask("getOTP", body).await.expect("an answer");
    assert_eq!(status, 403, "locked here too");
    assert_eq!(locks(redis, &["unlock", "person04"], "").1, Some(0));
    assert!(node.call(4).await.is_some());

    // And back, to a file that no server has open, and to the memory of one that runs.
    assert_eq!(locks(redis, &["import"], &exported), taken(1));
    let (back, _) = locks(redis, &["export"], "");
    assert_eq!(back, exported);
    assert_eq!(locks(file, &["unlock", "person04"], "").1, Some(0));
    assert_eq!(locks(file, &["import"], &back), taken(1));
    let admin = super::server::free_port();
    let memory = Setting {
        admin,
        store: "kind = \"memory\"",
        ..Setting::default()
    };
    let memory = memory.folder();
    let memory = memory.path();
    let (nobody, code) = locks(memory, &["list"], "");
    assert_eq!(code, Some(1), "{nobody}");
    assert!(nobody.contains("cannot be asked"), "{nobody}");
    let node = Node::start(memory);
    assert_eq!(locks(memory, &["import"], &back), taken(1));
    assert_eq!(node.call_or_not(4).await, Some(Err(403)), "locked here too");
    assert_eq!(locks(memory, &["export"], ""), (back, Some(0)));

    let (refused, code) = locks(redis, &["import"], "{}");
    assert_eq!(code, Some(1));
    assert!(refused.contains("line 1"), "{refused}");
}
