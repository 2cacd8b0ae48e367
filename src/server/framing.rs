//! Finds requests with a length and chunks at once, or with chunks twice (RFC 9112 §6.1, §6.3).
//!
//! hyper lets the chunks win and hides the length. That is allowed, but a proxy in front may
//! have gone by the length, and then the two disagree about where the next request begins
//! (§11.2): such a request is to be refused, so the bytes are looked at before hyper gets them.
//!
//! Bodies go through here too. They are JSON, which has no line that begins like one of the
//! two headers; what has one is refused as well, and rightly.

use std::mem;

/// Bytes of a line's start that are looked at.
const START: usize = TRANSFER_ENCODING.len();
const CONTENT_LENGTH: &[u8] = b"content-length:";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";

/// What has been seen of the lines since the last empty one.
#[derive(Debug, Default)]
pub(super) struct Framing {
    start: [u8; START],
    filled: usize,
    has_length: bool,
    has_coding: bool,
}

impl Framing {
    /// Looks at further bytes of the connection. True if there is such a head among them.
    pub(super) fn is_ambiguous(&mut self, bytes: &[u8]) -> bool {
        let mut ambiguous = false;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = line.strip_suffix(b"\n");
            self.fill(text.unwrap_or(line));
            if text.is_some() {
                ambiguous |= self.end_of_line();
            }
        }
        ambiguous
    }

    fn fill(&mut self, text: &[u8]) {
        let room = &mut self.start[self.filled..];
        let taken = room.len().min(text.len());
        room[..taken].copy_from_slice(&text[..taken]);
        self.filled += taken;
    }

    fn end_of_line(&mut self) -> bool {
        let start = &self.start[..mem::take(&mut self.filled)];
        match start {
            b"" | b"\r" => (self.has_length, self.has_coding) = (false, false),
            [b'c' | b'C', ..] => self.has_length |= begins(start, CONTENT_LENGTH),
            [b't' | b'T', ..] if begins(start, TRANSFER_ENCODING) => {
                let twice = mem::replace(&mut self.has_coding, true);
                return twice || self.has_length;
            }
            _ => {}
        }
        self.has_length && self.has_coding
    }
}

fn begins(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: &str = "PUT / HTTP/1.1\r\nContent-LENGTH: 3\r\ntransfer-Encoding: chunked\r\n\r\n";
    const LENGTH: &str = "PUT / HTTP/1.1\r\ncontent-length: 3\r\nx: y\r\n\r\n{ }";
    const CHUNKS: &str =
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{ }\r\n0\r\n\r\n";

    const TWICE: &str =
        "PUT / HTTP/1.1\r\ntransfer-encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n";

    proptest! {
        #[test]
        fn it_is_found_however_the_bytes_arrive(
            heads in proptest::collection::vec(0..4_usize, 1..5),
            cuts in proptest::collection::vec(1..40_usize, 1..40),
        ) {
            let text: String = heads.iter().map(|head| [LENGTH, CHUNKS, BOTH, TWICE][*head]).collect();
            let mut framing = Framing::default();
            let (mut rest, mut found) = (text.as_bytes(), false);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, later) = rest.split_at((*cut).min(rest.len()));
                found |= framing.is_ambiguous(piece);
                rest = later;
            }
            prop_assert_eq!(found, heads.iter().any(|head| *head >= 2));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            Framing::default().is_ambiguous(&bytes);
        }
    }
}
