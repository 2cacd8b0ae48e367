//! Bytes to requests, with bounds on size and nesting.
//!
//! A message is cut out by its outer length before anything in it is looked at, so that a
//! hostile length costs nothing; what is inside is nested no deeper than [`MAX_DEPTH`].

use bytes::{Buf as _, Bytes, BytesMut};
use ldap3_lber::{
    common::TagClass,
    parse::Parser,
    structure::{PL, StructureTag},
};
use ldap3_proto::{
    LdapMsg,
    control::LdapControl,
    proto::{LdapOp, LdapSearchScope},
};

use super::filter::Filter;

/// The longest message that is read, in bytes.
pub(super) const MAX_MESSAGE: usize = 256 * 1024;

/// How deep the elements of a message may be nested.
pub(super) const MAX_DEPTH: usize = 64;

/// A request as the session answers it.
#[derive(Debug)]
pub(super) struct Request {
    /// Which message the answer belongs to.
    pub(super) id: i32,
    /// What is asked.
    pub(super) body: Body,
    /// The controls.
    pub(super) controls: Vec<LdapControl>,
}

/// What is asked.
#[derive(Debug)]
pub(super) enum Body {
    /// A search, with a filter that knows bytes.
    Search(Search),
    /// Everything else, as the codec reads it.
    Other(LdapOp),
}

/// A search request (RFC 4511 §4.5.1).
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Where to begin.
    pub(super) base: String,
    /// How far to go.
    pub(super) scope: LdapSearchScope,
    /// At most so many entries; 0 for no limit.
    pub(super) size_limit: u64,
    /// At most so many seconds; 0 for no limit.
    pub(super) time_limit: u64,
    /// Only the attributes' names.
    pub(super) types_only: bool,
    /// Which entries.
    pub(super) filter: Filter,
    /// Which attributes.
    pub(super) attributes: Vec<String>,
}

/// The bytes are no LDAP message that a server could answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Garbage {
    /// Not the beginning of an LDAPMessage.
    #[error("not an LDAP message")]
    NotAMessage,
    /// Longer than [`MAX_MESSAGE`].
    #[error("a message of more than {MAX_MESSAGE} bytes")]
    TooLong,
    /// A message whose operation cannot be read; the id is there to answer it.
    #[error("message {0}: an operation that cannot be read")]
    Unreadable(i32),
}

/// Cuts one message off the front of `input`; `None` if its end has not arrived.
pub(super) fn cut(input: &mut BytesMut) -> Result<Option<Bytes>, Garbage> {
    let Some(&tag) = input.first() else {
        return Ok(None);
    };
    // SEQUENCE, constructed (RFC 4511 §5.1 has definite lengths only).
    if tag != 0x30 {
        return Err(Garbage::NotAMessage);
    }
    let Some(&first) = input.get(1) else {
        return Ok(None);
    };
    let (header, length) = match first {
        ..=0x7f => (2, usize::from(first)),
        0x81..=0x84 => {
            let header = 2 + usize::from(first & 0x7f);
            let Some(octets) = input.get(2..header) else {
                return Ok(None);
            };
            let length = octets
                .iter()
                .fold(0_usize, |sum, &octet| sum << 8 | usize::from(octet));
            (header, length)
        }
        _ => return Err(Garbage::NotAMessage),
    };
    if length > MAX_MESSAGE {
        return Err(Garbage::TooLong);
    }
    if input.len() < header + length {
        return Ok(None);
    }
    let message = input.copy_to_bytes(header + length);
    Ok(Some(message))
}

/// Reads one message that was cut out whole.
pub(super) fn decode(message: &[u8]) -> Result<Request, Garbage> {
    let (_, tag) = Parser::new(MAX_DEPTH)
        .parse(message)
        .map_err(|_| Garbage::NotAMessage)?;
    let PL::C(parts) = tag.payload else {
        return Err(Garbage::NotAMessage);
    };
    let [id, operation] = parts.get(..2).ok_or(Garbage::NotAMessage)? else {
        return Err(Garbage::NotAMessage);
    };
    let id = integer(id)
        .and_then(|id| i32::try_from(id).ok())
        .filter(|id| *id >= 0);
    let id = id.ok_or(Garbage::NotAMessage)?;
    if operation.class != TagClass::Application || !is_known(operation) {
        return Err(Garbage::Unreadable(id));
    }
    read(id, parts).ok_or(Garbage::Unreadable(id))
}

/// The codec prints a line on standard output for an operation it does not know; it is never
/// asked about one.
fn is_known(operation: &StructureTag) -> bool {
    match operation.payload {
        PL::C(_) => matches!(operation.id, 0 | 3 | 6 | 8 | 12 | 14 | 23),
        PL::P(_) => matches!(operation.id, 2 | 10 | 16),
    }
}

fn read(id: i32, mut parts: Vec<StructureTag>) -> Option<Request> {
    let tag = |class, id, payload| StructureTag { class, id, payload };
    if parts[1].id != 3 {
        let whole = tag(TagClass::Universal, 16, PL::C(parts));
        let LdapMsg { op, ctrl, .. } = LdapMsg::try_from(whole).ok()?;
        return Some(Request {
            id,
            body: Body::Other(op),
            controls: ctrl,
        });
    }
    let PL::C(fields) = parts[1].payload.clone() else {
        return None;
    };
    let search = search(fields)?;
    // The controls are the codec's to read: they are handed over with an empty operation.
    parts[1] = tag(TagClass::Application, 2, PL::P(Vec::new()));
    let LdapMsg { ctrl, .. } =
        LdapMsg::try_from(tag(TagClass::Universal, 16, PL::C(parts))).ok()?;
    Some(Request {
        id,
        body: Body::Search(search),
        controls: ctrl,
    })
}

fn search(fields: Vec<StructureTag>) -> Option<Search> {
    let [
        base,
        scope,
        _aliases,
        size,
        time,
        types_only,
        filter,
        attributes,
    ] = <[StructureTag; 8]>::try_from(fields).ok()?;
    let attributes = attributes.expect_constructed()?;
    Some(Search {
        base: text(base)?,
        scope: LdapSearchScope::try_from(integer(&scope)?).ok()?,
        size_limit: u64::try_from(integer(&size)?).ok()?,
        time_limit: u64::try_from(integer(&time)?).ok()?,
        types_only: integer(&types_only)? != 0,
        filter: Filter::decode(filter)?,
        attributes: attributes.into_iter().map(text).collect::<Option<_>>()?,
    })
}

/// INTEGER, ENUMERATED and BOOLEAN alike.
fn integer(tag: &StructureTag) -> Option<i64> {
    let PL::P(octets) = &tag.payload else {
        return None;
    };
    let is_number = tag.class == TagClass::Universal && matches!(tag.id, 1 | 2 | 10);
    if !is_number || octets.is_empty() || octets.len() > 8 {
        return None;
    }
    let sign = if octets[0] & 0x80 == 0 { 0 } else { -1 };
    Some(
        octets
            .iter()
            .fold(sign, |sum, &octet| sum << 8 | i64::from(octet)),
    )
}

fn text(tag: StructureTag) -> Option<String> {
    let octets = tag
        .match_class(TagClass::Universal)?
        .match_id(4)?
        .expect_primitive()?;
    String::from_utf8(octets).ok()
}
