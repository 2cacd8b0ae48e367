use proptest::prelude::*;
use tokio::io::duplex;

use super::*;

/// A bind response with this message id.
fn answer(id: u8) -> Vec<u8> {
    vec![0x30, 12, 2, 1, id, 0x61, 7, 10, 1, 0, 4, 0, 4, 0]
}

fn pulse() -> Pulse {
    Pulse::counting(Arc::default())
}

/// What the client side reads of `pieces`, and how the relay ended.
async fn relayed(pieces: &[&[u8]]) -> (Vec<u8>, Result<(), Ended>, u64) {
    let (server, mut far_end) = duplex(64 * 1024);
    let (client, mut library) = UnixStream::pair().expect("a socket pair");
    let pulse = pulse();
    let relay = relay(server, client, &pulse);
    let talk = async {
        for piece in pieces {
            // The relay may have had enough and closed.
            let _ = far_end.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        drop(far_end);
        let mut read = Vec::new();
        let _ = library.read_to_end(&mut read).await;
        read
    };
    let (ended, read) = tokio::join!(relay, talk);
    (read, ended, pulse.heard.load(Ordering::Relaxed))
}

#[tokio::test]
async fn what_does_not_pass_ends_the_connection_and_is_not_passed() {
    let good = answer(1);
    let entry = [0x30, 9, 2, 1, 2, 0x64, 4, 4, 0, 0x30, 0];
    let (read, ended, heard) = relayed(&[&good, &entry, &good]).await;
    assert!(good.starts_with(&read), "{read:?}");
    let refused = matches!(ended, Err(Ended::BadMessage(BadMessage::Unexpected)));
    assert!(refused, "{ended:?}");
    assert_eq!(heard, 1);
}

#[tokio::test]
async fn the_server_is_told_when_we_leave() {
    let (server, mut far_end) = duplex(1024);
    let (client, library) = UnixStream::pair().expect("a socket pair");
    drop(library);
    let pulse = pulse();
    let ended = relay(server, client, &pulse).await;
    assert!(ended.is_ok(), "{ended:?}");
    let mut said = Vec::new();
    far_end.read_to_end(&mut said).await.expect("memory");
    assert_eq!(said, UNBIND);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However the network tears them, whole messages pass as they are and in order.
    #[test]
    fn messages_pass_unchanged_however_they_are_torn(
        ids in proptest::collection::vec(1_u8..=255, 1..8),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let all: Vec<u8> = ids.iter().flat_map(|id| answer(*id)).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(all.len())).collect();
        cuts.extend([0, all.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &all[ends[0]..ends[1]]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (read, ended, heard) = runtime.block_on(relayed(&pieces));
        prop_assert!(ended.is_ok(), "{:?}", ended);
        prop_assert_eq!(read, all);
        prop_assert_eq!(heard, ids.len() as u64);
    }
}
