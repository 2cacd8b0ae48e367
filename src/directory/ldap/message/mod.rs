//! The shape of what a server may send us: whole LDAP messages, bounded in size and
//! nesting, well-formed down to every element that the client library takes for granted.
//!
//! `ldap3` parses BER recursively without a bound and panics where an element is
//! missing or of another kind. What passes here can do neither.

/// Bytes of one message. An entry with a few attributes has some hundred.
pub(super) const MAX_MESSAGE: usize = 1 << 20;

/// Elements within elements. A search result needs 6, a control 4.
const MAX_DEPTH: usize = 32;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

const BIND_RESPONSE: u8 = 0x61;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const SEARCH_REFERENCE: u8 = 0x73;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE_RESPONSE: u8 = 0x79;

/// What a connection may be told at the moment. The client library panics on the answer
/// to a question it has not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// Answers to binds.
    Bind,
    /// Answers to searches.
    Search,
    /// The answer to a request for TLS.
    Extended,
}

/// Why a message does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMessage {
    /// RFC 4511 allows it; we do not.
    #[error("a message of more than {MAX_MESSAGE} bytes")]
    TooLarge,
    /// RFC 4511 knows nothing that deep.
    #[error("a message nested deeper than {MAX_DEPTH} elements")]
    TooDeep,
    /// Not BER as RFC 4511 §5.1 restricts it, or not an LDAP message.
    #[error("not an LDAP message")]
    Malformed,
    /// The answer to another kind of question.
    #[error("an answer to a question that was not asked")]
    Unexpected,
    /// RFC 4511 §4.4.1.
    #[error("a notice of disconnection")]
    Disconnection,
}

/// One element: its tag and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

/// How many bytes the message at the front of `bytes` has, header included; `None` if
/// that cannot be told yet.
pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, BadMessage> {
    if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(BadMessage::Malformed);
    }
    let Some((head, content)) = header(bytes)? else {
        return Ok(None);
    };
    match head + content {
        whole if whole > MAX_MESSAGE => Err(BadMessage::TooLarge),
        whole => Ok(Some(whole)),
    }
}

/// Accepts one whole message, or says why not.
pub(super) fn check(message: &[u8], expected: Expected) -> Result<(), BadMessage> {
    let (whole, rest) = element(message)?;
    if whole.tag != SEQUENCE || !rest.is_empty() {
        return Err(BadMessage::Malformed);
    }
    nested(whole.content, 1)?;
    let mut parts = Elements(whole.content);
    let id = parts.primitive(INTEGER)?;
    let operation = parts.next()?.ok_or(BadMessage::Malformed)?;
    if id.is_empty() || id.len() > 4 {
        return Err(BadMessage::Malformed);
    }
    if operation.tag == EXTENDED_RESPONSE && id.iter().all(|byte| *byte == 0) {
        return Err(BadMessage::Disconnection);
    }
    match parts.next()? {
        None => {}
        Some(Element { tag: 0xa0, content }) => controls(content)?,
        Some(_) => return Err(BadMessage::Malformed),
    }
    parts.end()?;
    match (expected, operation.tag) {
        (Expected::Bind, BIND_RESPONSE)
        | (Expected::Search, SEARCH_DONE)
        | (Expected::Extended, EXTENDED_RESPONSE) => result(operation.content),
        (Expected::Search, SEARCH_ENTRY) => entry(operation.content),
        (Expected::Search, SEARCH_REFERENCE | INTERMEDIATE_RESPONSE) => Ok(()),
        _ => Err(BadMessage::Unexpected),
    }
}

/// The result code of a checked extended response (RFC 4511 §4.12).
pub(super) fn result_code(message: &[u8]) -> Result<u32, BadMessage> {
    let mut parts = Elements(element(message)?.0.content);
    parts.next()?;
    let operation = parts.next()?.ok_or(BadMessage::Malformed)?;
    let code = Elements(operation.content).primitive(ENUMERATED)?;
    Ok(unsigned(code))
}

/// RFC 4511 §4.1.9, with the further elements of binds and extended operations.
fn result(content: &[u8]) -> Result<(), BadMessage> {
    let mut parts = Elements(content);
    let code = parts.primitive(ENUMERATED)?;
    if code.is_empty() || code.len() > 4 {
        return Err(BadMessage::Malformed);
    }
    text(parts.primitive(OCTET_STRING)?)?;
    text(parts.primitive(OCTET_STRING)?)?;
    while let Some(part) = parts.next()? {
        match part.tag {
            0xa3 => {
                let mut uris = Elements(part.content);
                while let Some(uri) = uris.next()? {
                    text(uri.content)?;
                    uri.tag_is(OCTET_STRING)?;
                }
            }
            0x8a => text(part.content)?,
            0x87 | 0x8b => {}
            _ => return Err(BadMessage::Malformed),
        }
    }
    Ok(())
}

/// RFC 4511 §4.5.2.
fn entry(content: &[u8]) -> Result<(), BadMessage> {
    let mut parts = Elements(content);
    text(parts.primitive(OCTET_STRING)?)?;
    let attributes = parts.next()?.ok_or(BadMessage::Malformed)?;
    attributes.tag_is(SEQUENCE)?;
    parts.end()?;
    let mut attributes = Elements(attributes.content);
    while let Some(attribute) = attributes.next()? {
        attribute.tag_is(SEQUENCE)?;
        let mut parts = Elements(attribute.content);
        text(parts.primitive(OCTET_STRING)?)?;
        let values = parts.next()?.ok_or(BadMessage::Malformed)?;
        values.tag_is(SET)?;
        parts.end()?;
        let mut values = Elements(values.content);
        while let Some(value) = values.next()? {
            value.tag_is(OCTET_STRING)?;
        }
    }
    Ok(())
}

/// RFC 4511 §4.1.11.
fn controls(content: &[u8]) -> Result<(), BadMessage> {
    let mut controls = Elements(content);
    while let Some(control) = controls.next()? {
        control.tag_is(SEQUENCE)?;
        let mut parts = Elements(control.content);
        text(parts.primitive(OCTET_STRING)?)?;
        let mut part = parts.next()?;
        if let Some(Element {
            tag: BOOLEAN,
            content,
        }) = part
        {
            if content.len() != 1 {
                return Err(BadMessage::Malformed);
            }
            part = parts.next()?;
        }
        if let Some(value) = part {
            value.tag_is(OCTET_STRING)?;
        }
        parts.end()?;
    }
    Ok(())
}

/// The elements of a constructed one, in turn.
pub(super) struct Elements<'a>(pub(super) &'a [u8]);

impl<'a> Elements<'a> {
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, BadMessage> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (found, rest) = element(self.0)?;
        self.0 = rest;
        Ok(Some(found))
    }

    fn primitive(&mut self, tag: u8) -> Result<&'a [u8], BadMessage> {
        let found = self.next()?.ok_or(BadMessage::Malformed)?;
        found.tag_is(tag)?;
        Ok(found.content)
    }

    fn end(&self) -> Result<(), BadMessage> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(BadMessage::Malformed),
        }
    }
}

impl Element<'_> {
    fn tag_is(&self, tag: u8) -> Result<(), BadMessage> {
        match self.tag == tag {
            true => Ok(()),
            false => Err(BadMessage::Malformed),
        }
    }
}

/// The number in the content of an INTEGER or ENUMERATED; too large a one saturates.
pub(super) fn unsigned(content: &[u8]) -> u32 {
    content
        .iter()
        .try_fold(0_u32, |sum, byte| {
            sum.checked_mul(256)?.checked_add(u32::from(*byte))
        })
        .unwrap_or(u32::MAX)
}

fn text(content: &[u8]) -> Result<(), BadMessage> {
    std::str::from_utf8(content).map_or(Err(BadMessage::Malformed), |_| Ok(()))
}

/// Every constructed element holds whole elements, and none is too deep.
fn nested(content: &[u8], depth: usize) -> Result<(), BadMessage> {
    if depth > MAX_DEPTH {
        return Err(BadMessage::TooDeep);
    }
    let mut elements = Elements(content);
    while let Some(element) = elements.next()? {
        if element.tag & 0x20 != 0 {
            nested(element.content, depth + 1)?;
        }
    }
    Ok(())
}

fn element(bytes: &[u8]) -> Result<(Element<'_>, &[u8]), BadMessage> {
    let (head, content) = header(bytes)?.ok_or(BadMessage::Malformed)?;
    let rest = bytes.get(head..).ok_or(BadMessage::Malformed)?;
    let (content, rest) = rest
        .split_at_checked(content)
        .ok_or(BadMessage::Malformed)?;
    let tag = bytes[0];
    Ok((Element { tag, content }, rest))
}

/// Bytes of header and of content, if the header is all there. Tags of several bytes and
/// indefinite lengths do not occur in LDAP (RFC 4511 §5.1).
fn header(bytes: &[u8]) -> Result<Option<(usize, usize)>, BadMessage> {
    let (Some(tag), Some(first)) = (bytes.first(), bytes.get(1)) else {
        return Ok(None);
    };
    if tag & 0x1f == 0x1f {
        return Err(BadMessage::Malformed);
    }
    match *first {
        short @ 0..0x80 => Ok(Some((2, usize::from(short)))),
        0x80 => Err(BadMessage::Malformed),
        long => {
            let count = usize::from(long & 0x7f);
            // Some servers always write four bytes; leading zeros are theirs to waste.
            if count > 8 {
                return Err(BadMessage::TooLarge);
            }
            let Some(octets) = bytes.get(2..2 + count) else {
                return Ok(None);
            };
            match unsigned(octets) {
                u32::MAX => Err(BadMessage::TooLarge),
                content => Ok(Some((2 + count, content as usize))),
            }
        }
    }
}

#[cfg(test)]
mod tests;
