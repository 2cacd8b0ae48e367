//! A server whose file cannot grow: the operating system refuses it what a full disk would.

use std::{process::Command, time::Duration};

use super::node::{Node, PEOPLE, Setting, another};

/// Files of the program may have so many bytes from now on.
fn limit(node: &Node, bytes: &str) {
    let limit = format!("--fsize={bytes}:unlimited");
    let set = Command::new("prlimit")
        .args(["--pid", &node.pid(), &limit])
        .status();
    assert!(set.expect("prlimit (Debian: util-linux)").success());
}

#[tokio::test]
async fn without_room_a_server_refuses_and_when_there_is_room_again_nothing_has_been_lost() {
    let folder = Setting::default().folder();
    let node = Node::start_in_a_small_room(folder.path());
    let mut heard = Vec::new();
    for person in 0..PEOPLE {
        heard.push(node.call(person).await.expect("an OTP"));
    }
    assert_eq!(node.log_in(0, &heard[0]).await, Some(200));
    assert_eq!(node.log_in(1, &another(&heard[1])).await, Some(403));
    assert_eq!(node.readiness().await, (200, "decides".to_owned()));

    limit(&node, "4096");
    for (person, heard) in heard.iter().enumerate().skip(1) {
        assert_eq!(node.call_or_not(person).await, Some(Err(403)));
        assert_eq!(node.log_in(person, heard).await, Some(503));
        assert_eq!(node.log_in(person, &another(heard)).await, Some(503));
    }
    let (status, detail) = node.readiness().await;
    assert_eq!(status, 503, "{detail}");
    assert!(detail.contains("File too large"), "{detail}");

    limit(&node, "unlimited");
    while node.readiness().await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(node.log_in(0, &heard[0]).await, Some(403), "used before");
    for (person, heard) in heard.iter().enumerate().skip(1).take(PEOPLE / 2) {
        assert_eq!(node.log_in(person, heard).await, Some(200), "{person}");
    }
    node.kill();
    drop(node);
    let node = Node::start(folder.path());
    for (person, heard) in heard.iter().enumerate() {
        let live = person > PEOPLE / 2;
        let expected = if live { 200 } else { 403 };
        assert_eq!(node.log_in(person, heard).await, Some(expected), "{person}");
    }
}
