//! A request, byte by byte: what a good client library would not send included.

use std::time::Duration;

use super::tls::ClientSide;
use crate::{mask::Mask, text::Text};

/// How the body travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// With a Content-Length.
    Length,
    /// In two chunks.
    Chunked,
    /// After `100 Continue`, or after a second without it.
    Expect,
    /// With a Content-Length of so many bytes, the body a byte per pause, and never
    /// the whole of it.
    Dribble { promised: usize, pause: Duration },
}

#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Text)>,
    pub(crate) body: Text,
    pub(crate) framing: Framing,
    /// Is a certificate shown, when the target has one for us?
    pub(crate) certificate: ClientSide,
}

/// A request as it may be written down.
pub(crate) struct Shown {
    lines: Vec<String>,
}

impl Request {
    pub(crate) fn with_method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    pub(crate) fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Replaces a header's value where it stands, or adds the header at the end.
    pub(crate) fn with(mut self, name: &str, value: Text) -> Self {
        match self.position(name) {
            Some(at) => self.headers[at].1 = value,
            None => self.headers.push((name.to_owned(), value)),
        }
        self
    }

    /// Adds a line after the one of the same name.
    pub(crate) fn doubled(mut self, name: &str, value: Text) -> Self {
        let at = self.position(name).map_or(self.headers.len(), |at| at + 1);
        self.headers.insert(at, (name.to_owned(), value));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Spells every header name anew.
    pub(crate) fn respelt(mut self, spell: fn(&str) -> String) -> Self {
        for (name, _) in &mut self.headers {
            *name = spell(name);
        }
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&Text> {
        self.position(name).map(|at| &self.headers[at].1)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.headers
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The head, the empty line included.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(&value.wire());
            head.extend_from_slice(b"\r\n");
        }
        for line in self.framing_lines() {
            head.extend_from_slice(line.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// The body as its framing puts it on the wire.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let body = self.body.wire();
        match self.framing {
            Framing::Chunked => {
                let mut payload = Vec::new();
                let (first, second) = body.split_at(body.len() / 2);
                for chunk in [first, second]
                    .into_iter()
                    .filter(|chunk| !chunk.is_empty())
                {
                    payload.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    payload.extend_from_slice(chunk);
                    payload.extend_from_slice(b"\r\n");
                }
                payload.extend_from_slice(b"0\r\n\r\n");
                payload
            }
            _ => body,
        }
    }

    fn framing_lines(&self) -> Vec<String> {
        let length = |count: usize| format!("Content-Length: {count}");
        match self.framing {
            Framing::Length => vec![length(self.body.wire().len())],
            Framing::Chunked => vec!["Transfer-Encoding: chunked".to_owned()],
            Framing::Expect => vec![
                length(self.body.wire().len()),
                "Expect: 100-continue".to_owned(),
            ],
            Framing::Dribble { promised, .. } => vec![length(promised)],
        }
    }

    /// The request with its secrets masked.
    pub(crate) fn shown(&self, mask: &Mask) -> Shown {
        let mut lines = vec![format!("{} {}", self.method, self.path)];
        for (name, value) in &self.headers {
            lines.push(format!("{name}: {}", value.shown(mask)));
        }
        // A length says nothing that the body does not, and differs where nothing else does.
        let framing = self.framing_lines();
        lines.extend(
            framing
                .into_iter()
                .filter(|_| self.framing != Framing::Length),
        );
        match self.certificate {
            ClientSide::Own => {}
            ClientSide::Nothing => lines.push("(no client certificate)".to_owned()),
            ClientSide::Stranger => lines.push("(an unknown client certificate)".to_owned()),
        }
        lines.push(String::new());
        lines.push(self.body.shown(mask));
        Shown { lines }
    }

    /// A line for a shell that sends the same again.
    pub(crate) fn curl(&self, origin: &str, certificate: bool) -> String {
        let mut line = format!("curl -sS -i -X {}", self.method);
        if certificate && self.certificate == ClientSide::Own {
            line.push_str(" --cert \"$CALLOTP_CERT\" --key \"$CALLOTP_KEY\"");
        }
        for (name, value) in &self.headers {
            if name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case("user-agent") {
                continue;
            }
            let value = match value.wire().is_empty() {
                true => Text::new(format!("{name};")),
                false => value.prefixed(format!("{name}: ")),
            };
            line.push_str(&format!(" -H {}", value.shell()));
        }
        match self.framing {
            Framing::Chunked => line.push_str(" -H 'Transfer-Encoding: chunked'"),
            Framing::Expect => line.push_str(" -H 'Expect: 100-continue'"),
            Framing::Length | Framing::Dribble { .. } => {}
        }
        // curl adds a form's type of its own accord.
        if self.header("content-type").is_none() {
            line.push_str(" -H 'Content-Type:'");
        }
        line.push_str(&format!(" --data-binary {}", self.body.shell()));
        if matches!(self.framing, Framing::Dribble { .. }) {
            line.push_str(" --limit-rate 1");
        }
        format!("{line} '{origin}{}'", self.path)
    }
}

impl Shown {
    /// Which lines the golden request has and this one has not, and the other way round.
    pub(crate) fn difference(&self, golden: &Self) -> Vec<String> {
        let mut rest: Vec<&String> = golden.lines.iter().collect();
        let mut added = Vec::new();
        for line in &self.lines {
            match rest.iter().position(|known| *known == line) {
                Some(at) => {
                    rest.remove(at);
                }
                None => added.push(line),
            }
        }
        let minus = rest.into_iter().map(|line| format!("- {line}"));
        let plus = added.into_iter().map(|line| format!("+ {line}"));
        minus.chain(plus).collect()
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}
