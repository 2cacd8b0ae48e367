//! Content synchronisation (RFC 4533): what has changed since a cookie, what is gone included.

use std::time::Duration;

use ldap3::{
    Ldap, LdapResult, ResultEntry, SearchOptions,
    asn1::PL,
    controls::{Control, RawControl, RefreshMode, SyncRequest},
};
use tokio::time::timeout;

use super::{
    entry::Entry,
    message::{BadMessage, Element, Elements, unsigned},
    outcome::{self, SearchRefusal},
    question::{Question, Running},
};
use crate::directory::DirectoryFault;

/// The request control, which a root DSE lists where it is understood (§2.2).
pub(super) const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
const SYNC_INFO: &[u8] = b"1.3.6.1.4.1.4203.1.9.1.4";

/// What a server says of an entry, which it calls by its `entryUUID`, here as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It is there, and looks like this now.
    Is(String, Entry),
    /// It is there, and has not changed.
    Unchanged(String),
    /// It is gone, or has become something else than was asked for.
    Gone(String),
    /// All that are there have been named; whichever has not is gone.
    AllNamed,
}

/// How a refresh ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything has been said; the next refresh goes on from here.
    Synchronised(Vec<u8>),
    /// The server does not take part, or not with this cookie: all has to be read again.
    Refused(String),
}

/// Asks what matches `question` now, or what of it has changed since `cookie`, and shows it
/// to `visit` as it comes. Between two words the server may let `patience` pass.
pub(super) async fn refresh(
    mut ldap: Ldap,
    question: &Question,
    cookie: Option<Vec<u8>>,
    patience: Duration,
    visit: &mut (dyn FnMut(Word) + Send),
) -> Result<Ended, DirectoryFault> {
    let sent = cookie.clone();
    ldap.with_controls(RawControl::from(SyncRequest {
        mode: RefreshMode::RefreshOnly,
        cookie,
        reload_hint: false,
    }));
    ldap.with_search_options(SearchOptions::new());
    let attributes = question.attributes.clone();
    let broken = |_| DirectoryFault::Unavailable("the connection was closed".into());
    let started =
        ldap.streaming_search(&question.base, question.scope, &question.filter, attributes);
    let mut running = Running::of(started.await.map_err(broken)?);
    let mut newest = None;
    loop {
        let next = timeout(patience, running.next()).await;
        match next
            .map_err(|_| DirectoryFault::TimedOut)?
            .map_err(broken)?
        {
            None => break,
            Some(result) => {
                let said = read(result).map_err(|error| {
                    DirectoryFault::Unusable(format!("content synchronisation: {error}"))
                })?;
                newest = said.cookie.or(newest);
                said.words.into_iter().for_each(&mut *visit);
            }
        }
    }
    end(&running.end().await, sent, newest, visit)
}

fn end(
    result: &LdapResult,
    sent: Option<Vec<u8>>,
    newest: Option<Vec<u8>>,
    visit: &mut dyn FnMut(Word),
) -> Result<Ended, DirectoryFault> {
    match outcome::of_search(result) {
        None => {}
        Some(SearchRefusal::Unavailable(reason)) => {
            return Err(DirectoryFault::Unavailable(reason));
        }
        // `e-syncRefreshRequired` (§2.5) among them.
        Some(refusal) => return Ok(Ended::Refused(refusal.to_string())),
    }
    let Some(done) = value(&result.ctrls, SYNC_DONE).and_then(|value| done(value).ok()) else {
        return Ok(Ended::Refused("the server does not synchronise".into()));
    };
    if sent.is_none() || !done.only_deletes {
        visit(Word::AllNamed);
    }
    // When nothing has changed, some servers do not repeat the cookie.
    Ok(match done.cookie.or(newest).or(sent) {
        Some(cookie) => Ended::Synchronised(cookie),
        None => Ended::Refused("the server gives no cookie".into()),
    })
}

/// What one message said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    words: Vec<Word>,
    cookie: Option<Vec<u8>>,
}

fn read(result: ResultEntry) -> Result<Said, BadMessage> {
    const INTERMEDIATE_RESPONSE: u64 = 25;
    match (result.0.id, value(&result.1, SYNC_STATE)) {
        (INTERMEDIATE_RESPONSE, _) => {
            let parts = result.0.expect_constructed().unwrap_or_default();
            let part = |id| {
                let found = parts.iter().find(|part| part.id == id);
                found.and_then(|part| match &part.payload {
                    PL::P(value) => Some(value.as_slice()),
                    PL::C(_) => None,
                })
            };
            match (part(0), part(1)) {
                (Some(SYNC_INFO), Some(value)) => info(value),
                _ => Ok(Said::default()),
            }
        }
        (_, Some(state)) => {
            let (state, uuid, cookie) = entry_state(state)?;
            let word = match state {
                PRESENT => Word::Unchanged(uuid),
                DELETE => Word::Gone(uuid),
                _ => Word::Is(uuid, Entry::read(result).ok_or(BadMessage::Malformed)?),
            };
            let words = vec![word];
            Ok(Said { words, cookie })
        }
        // A reference, or an entry of a server that takes no part.
        (_, None) => Ok(Said::default()),
    }
}

const PRESENT: u32 = 0;
const DELETE: u32 = 3;

/// `SEQUENCE { state ENUMERATED, entryUUID OCTET STRING, cookie OCTET STRING OPTIONAL }` (§2.3)
fn entry_state(value: &[u8]) -> Result<(u32, String, Option<Vec<u8>>), BadMessage> {
    let mut parts = sequence(value)?;
    let state = parts.next()?.ok_or(BadMessage::Malformed)?;
    let id = parts.next()?.ok_or(BadMessage::Malformed)?;
    let cookie = parts.next()?.map(|cookie| cookie.content.to_vec());
    Ok((unsigned(state.content), uuid(id.content)?, cookie))
}

/// The end of a refresh: `SEQUENCE { cookie OCTET STRING OPTIONAL, refreshDeletes BOOLEAN
/// DEFAULT FALSE }` (§2.4)
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    cookie: Option<Vec<u8>>,
    only_deletes: bool,
}

fn done(value: &[u8]) -> Result<Done, BadMessage> {
    let (mut parts, mut done) = (sequence(value)?, Done::default());
    while let Some(part) = parts.next()? {
        match part.tag {
            OCTET_STRING => done.cookie = Some(part.content.to_vec()),
            BOOLEAN => done.only_deletes = is_true(part),
            _ => {}
        }
    }
    Ok(done)
}

/// What is said between the entries: a choice of four (§2.5).
fn info(value: &[u8]) -> Result<Said, BadMessage> {
    let choice = Elements(value).next()?.ok_or(BadMessage::Malformed)?;
    let mut said = Said::default();
    if choice.tag == NEW_COOKIE {
        said.cookie = Some(choice.content.to_vec());
        return Ok(said);
    }
    let (mut parts, mut deleted) = (Elements(choice.content), false);
    while let Some(part) = parts.next()? {
        match part.tag {
            OCTET_STRING => said.cookie = Some(part.content.to_vec()),
            BOOLEAN => deleted = is_true(part),
            SET if choice.tag == ID_SET => {
                let mut ids = Elements(part.content);
                while let Some(id) = ids.next()? {
                    let id = uuid(id.content)?;
                    said.words.push(match deleted {
                        true => Word::Gone(id),
                        false => Word::Unchanged(id),
                    });
                }
            }
            _ => {}
        }
    }
    if choice.tag == REFRESH_PRESENT {
        said.words.push(Word::AllNamed);
    }
    Ok(said)
}

const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const NEW_COOKIE: u8 = 0x80;
const REFRESH_PRESENT: u8 = 0xa2;
const ID_SET: u8 = 0xa3;

fn is_true(part: Element<'_>) -> bool {
    part.content.iter().any(|byte| *byte != 0)
}

fn sequence(value: &[u8]) -> Result<Elements<'_>, BadMessage> {
    match Elements(value).next()? {
        Some(whole) if whole.tag == SEQUENCE => Ok(Elements(whole.content)),
        _ => Err(BadMessage::Malformed),
    }
}

/// As `entryUUID` is written (RFC 4530 §2.1).
fn uuid(bytes: &[u8]) -> Result<String, BadMessage> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| BadMessage::Malformed)?;
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| &digits[group]);
    Ok(groups.join("-"))
}

fn value<'a>(controls: &'a [Control], kind: &str) -> Option<&'a [u8]> {
    let found = controls.iter().find(|control| control.1.ctype == kind)?;
    found.1.val.as_deref()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: [u8; 16] = *b"\x5a\x1d\x3f\x0e\0\0\x40\0\x80\0\0\0\0\0\0\x01";
    const TEXT: &str = "5a1d3f0e-0000-4000-8000-000000000001";

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("short");
        [&[tag, length], content].concat()
    }

    #[test]
    fn a_set_of_ids_names_what_is_there_or_what_is_gone() {
        for (deleted, word) in [
            (0_u8, Word::Unchanged(TEXT.into())),
            (255, Word::Gone(TEXT.into())),
        ] {
            let parts = [
                element(OCTET_STRING, b"cookie"),
                element(BOOLEAN, &[deleted]),
                element(SET, &element(OCTET_STRING, &ID)),
            ];
            let said = info(&element(ID_SET, &parts.concat())).expect("well-formed");
            assert_eq!(said.words, [word]);
            assert_eq!(said.cookie.as_deref(), Some(b"cookie".as_slice()));
        }
    }

    #[test]
    fn the_end_of_the_present_phase_says_that_all_have_been_named() {
        let present =
            info(&element(REFRESH_PRESENT, &element(BOOLEAN, &[0]))).expect("well-formed");
        assert_eq!(present.words, [Word::AllNamed]);
        let deletes = info(&element(0xa1, b"")).expect("well-formed");
        assert_eq!(deletes, Said::default());
    }

    #[test]
    fn an_end_without_a_word_on_deletions_means_that_what_was_not_named_is_gone() {
        let whole = |parts: &[u8]| element(SEQUENCE, parts);
        let plain = done(&whole(&element(OCTET_STRING, b"c"))).expect("well-formed");
        assert_eq!(
            (plain.only_deletes, plain.cookie),
            (false, Some(b"c".to_vec()))
        );
        assert!(
            done(&whole(&element(BOOLEAN, &[255])))
                .expect("well-formed")
                .only_deletes
        );
    }

    #[test]
    fn an_entrys_state_has_its_id() {
        let parts = [element(0x0a, &[3]), element(OCTET_STRING, &ID)];
        let state = entry_state(&element(SEQUENCE, &parts.concat()));
        assert_eq!(state, Ok((DELETE, TEXT.to_owned(), None)));
        let short = [element(0x0a, &[3]), element(OCTET_STRING, &ID[1..])];
        assert!(entry_state(&element(SEQUENCE, &short.concat())).is_err());
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (info(&bytes), done(&bytes), entry_state(&bytes));
            let _ = info(&element(ID_SET, &bytes));
        }
    }
}
