use proptest::prelude::*;

use super::*;

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("short").to_be_bytes();
    let mut bytes = vec![tag, 0x84];
    bytes.extend(length);
    bytes.extend(content);
    bytes
}

fn seq(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(tag, &parts.concat())
}

fn message(operation: Vec<u8>) -> Vec<u8> {
    seq(SEQUENCE, &[tlv(INTEGER, &[7]), operation])
}

fn done(tag: u8) -> Vec<u8> {
    seq(
        tag,
        &[
            tlv(ENUMERATED, &[0]),
            tlv(OCTET_STRING, b"dc=x"),
            tlv(OCTET_STRING, "ä".as_bytes()),
        ],
    )
}

fn found() -> Vec<u8> {
    let values = seq(
        SET,
        &[tlv(OCTET_STRING, b"\xff\x00"), tlv(OCTET_STRING, b"")],
    );
    let attribute = seq(SEQUENCE, &[tlv(OCTET_STRING, b"objectGUID"), values]);
    let attributes = seq(SEQUENCE, &[attribute]);
    seq(SEARCH_ENTRY, &[tlv(OCTET_STRING, b"uid=a"), attributes])
}

#[test]
fn the_answers_we_ask_for_pass() {
    for (expected, operation) in [
        (Expected::Bind, done(BIND_RESPONSE)),
        (Expected::Search, done(SEARCH_DONE)),
        (Expected::Search, found()),
        (
            Expected::Search,
            seq(SEARCH_REFERENCE, &[tlv(OCTET_STRING, b"ldap://b")]),
        ),
        (Expected::Extended, done(EXTENDED_RESPONSE)),
    ] {
        let whole = message(operation);
        assert_eq!(length(&whole), Ok(Some(whole.len())));
        assert_eq!(check(&whole, expected), Ok(()));
        for cut in 0..whole.len() {
            assert!(check(&whole[..cut], expected).is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn controls_pass_if_they_are_controls() {
    let with = |control: Vec<u8>| {
        let controls = seq(0xa0, &[control]);
        seq(SEQUENCE, &[tlv(INTEGER, &[7]), done(SEARCH_DONE), controls])
    };
    let oid = || tlv(OCTET_STRING, b"1.2.3");
    let value = || tlv(OCTET_STRING, b"\x30\x00");
    let good = [
        seq(SEQUENCE, &[oid()]),
        seq(SEQUENCE, &[oid(), value()]),
        seq(SEQUENCE, &[oid(), tlv(BOOLEAN, &[255]), value()]),
    ];
    for control in good {
        assert_eq!(check(&with(control), Expected::Search), Ok(()));
    }
    let bad = [
        seq(SEQUENCE, &[]),
        seq(SEQUENCE, &[oid(), tlv(BOOLEAN, &[])]),
        seq(SEQUENCE, &[oid(), tlv(INTEGER, &[1])]),
        seq(SEQUENCE, &[oid(), value(), value()]),
        oid(),
    ];
    for control in bad {
        assert_eq!(
            check(&with(control), Expected::Search),
            Err(BadMessage::Malformed)
        );
    }
}

#[test]
fn answers_to_other_questions_do_not_pass() {
    for (expected, operation) in [
        (Expected::Bind, found()),
        (Expected::Bind, done(SEARCH_DONE)),
        (Expected::Search, done(BIND_RESPONSE)),
        (Expected::Search, done(0x67)),
        (Expected::Search, done(EXTENDED_RESPONSE)),
    ] {
        assert_eq!(
            check(&message(operation), expected),
            Err(BadMessage::Unexpected)
        );
    }
}

#[test]
fn a_notice_of_disconnection_is_told_apart() {
    let notice = seq(SEQUENCE, &[tlv(INTEGER, &[0]), done(EXTENDED_RESPONSE)]);
    assert_eq!(
        check(&notice, Expected::Search),
        Err(BadMessage::Disconnection)
    );
}

#[test]
fn nesting_and_size_are_bounded() {
    let deep = (0..10_000).fold(Vec::new(), |inner, _| {
        let mut outer = vec![0xa3, 0x84];
        outer.extend(u32::try_from(inner.len()).expect("short").to_be_bytes());
        outer.extend(inner);
        outer
    });
    let whole = message(seq(SEARCH_DONE, &[deep]));
    assert_eq!(check(&whole, Expected::Search), Err(BadMessage::TooDeep));
    let largest = |content: usize| {
        let mut head = vec![SEQUENCE, 0x84];
        head.extend(u32::try_from(content).expect("short").to_be_bytes());
        head
    };
    assert_eq!(length(&largest(MAX_MESSAGE - 6)), Ok(Some(MAX_MESSAGE)));
    assert_eq!(length(&largest(MAX_MESSAGE - 5)), Err(BadMessage::TooLarge));
    assert_eq!(
        length(&[SEQUENCE, 0x88, 1, 0, 0, 0, 0, 0, 0, 0]),
        Err(BadMessage::TooLarge)
    );
    assert_eq!(length(&[SEQUENCE, 0x80]), Err(BadMessage::Malformed));
    assert_eq!(length(b"HTTP"), Err(BadMessage::Malformed));
    assert_eq!(length(&[SEQUENCE, 0x82, 1]), Ok(None));
}

proptest! {
    /// Foreign bytes never panic, here or, if they pass, in the client library's parser.
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = length(&bytes);
        let _ = result_code(&bytes);
        for expected in [Expected::Bind, Expected::Search, Expected::Extended] {
            let _ = check(&bytes, expected);
        }
    }

    /// A good message with some bytes changed passes or not, and never panics; what passes
    /// is parsed by the client library's own parser to its end.
    #[test]
    fn what_passes_is_parsed(
        which in 0_usize..3,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let (expected, operation) = [
            (Expected::Bind, done(BIND_RESPONSE)),
            (Expected::Search, done(SEARCH_DONE)),
            (Expected::Search, found()),
        ][which].clone();
        let mut bytes = message(operation);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if check(&bytes, expected).is_ok() {
            let (rest, tag) = ldap3::asn1::parse_tag(&bytes).expect("what passes is BER");
            prop_assert!(rest.is_empty());
            let mut parts = tag.expect_constructed().expect("a sequence");
            let operation = parts.remove(1);
            if operation.id != 4 && operation.id != 19 && operation.id != 25 {
                let _ = ldap3::LdapResult::from(ldap3::asn1::Tag::StructureTag(operation));
            }
        }
    }
}
