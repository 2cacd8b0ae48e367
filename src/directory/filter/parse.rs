//! From text to filter (RFC 4515 §3).

use super::{Attribute, Filter};

/// Levels of parentheses; no one writes as many, and the parser stands on a stack.
const DEEPEST: usize = 50;

/// A text that is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a filter, at character {position}: {problem}")]
pub struct FilterError {
    /// Which character, from 1.
    pub position: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a filter's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Every filter stands in parentheses.
    #[error("\"(\" is missing")]
    NotOpened,
    /// It has to end, too.
    #[error("\")\" is missing")]
    NotClosed,
    /// One filter only.
    #[error("nothing may follow the filter")]
    Trailing,
    /// No attribute's name where one has to be.
    #[error("not an attribute's name")]
    Attribute,
    /// No `=`, `>=`, `<=`, `~=` or `:=`.
    #[error("a comparison is missing")]
    Comparison,
    /// A backslash takes two hexadecimal digits.
    #[error("a backslash must be followed by two hexadecimal digits")]
    Escape,
    /// `(`, `*` or NUL must be escaped where it stands.
    #[error("this character must be escaped in a value")]
    Bare,
    /// Two asterisks in a row, or an asterisk in an ordering.
    #[error("an asterisk does not belong here")]
    Asterisk,
    /// Beyond what is read.
    #[error("too many levels")]
    Deep,
}

pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
    let mut reader = Reader { text, at: 0 };
    reader.skip_spaces();
    let filter = reader.filter(0).map_err(|problem| reader.error(problem))?;
    reader.skip_spaces();
    match reader.rest() {
        "" => Ok(filter),
        _ => Err(reader.error(Problem::Trailing)),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, problem: Problem) -> FilterError {
        FilterError {
            position: self.text[..self.at].chars().count() + 1,
            problem,
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, sign: char) -> bool {
        let is_next = self.rest().starts_with(sign);
        self.at += if is_next { sign.len_utf8() } else { 0 };
        is_next
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, Problem> {
        if depth > DEEPEST {
            return Err(Problem::Deep);
        }
        if !self.take('(') {
            return Err(Problem::NotOpened);
        }
        let filter = if self.take('&') {
            Filter::And(self.list(depth)?)
        } else if self.take('|') {
            Filter::Or(self.list(depth)?)
        } else if self.take('!') {
            self.skip_spaces();
            let filter = self.filter(depth + 1)?;
            self.skip_spaces();
            Filter::Not(Box::new(filter))
        } else {
            self.item()?
        };
        match self.take(')') {
            true => Ok(filter),
            false => Err(Problem::NotClosed),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, Problem> {
        let mut filters = Vec::new();
        self.skip_spaces();
        while self.rest().starts_with('(') {
            filters.push(self.filter(depth + 1)?);
            self.skip_spaces();
        }
        Ok(filters)
    }

    fn item(&mut self) -> Result<Filter, Problem> {
        let sign = self
            .rest()
            .find(['=', ')', '('])
            .ok_or(Problem::Comparison)?;
        if self.rest().as_bytes()[sign] != b'=' {
            return Err(Problem::Comparison);
        }
        let left = &self.rest()[..sign];
        if let Some(left) = left.strip_suffix(':') {
            let (attribute, dn, rule) = extensible(left)?;
            self.at += sign + 1;
            let value = self.value()?;
            return Ok(Filter::Extensible {
                attribute,
                dn,
                rule,
                value,
            });
        }
        let name = left.trim_end_matches(['>', '<', '~']);
        let attribute = Attribute::new(name.trim()).map_err(|_| Problem::Attribute)?;
        let comparison = &left[name.len()..];
        self.at += sign + 1;
        match comparison {
            ">" => Ok(Filter::AtLeast(attribute, self.value()?)),
            "<" => Ok(Filter::AtMost(attribute, self.value()?)),
            "~" => Ok(Filter::Approximate(attribute, self.value()?)),
            "" => self.equality(attribute),
            _ => Err(Problem::Comparison),
        }
    }

    /// Behind a plain `=`: a value, a presence, or parts.
    fn equality(&mut self, attribute: Attribute) -> Result<Filter, Problem> {
        let mut parts = vec![self.part()?];
        while self.take('*') {
            parts.push(self.part()?);
        }
        let last = parts.pop().unwrap_or_default();
        if parts.is_empty() {
            return Ok(Filter::Equal(attribute, last));
        }
        let any = parts.split_off(1);
        let initial = parts.pop().unwrap_or_default();
        if any.iter().any(Vec::is_empty) {
            return Err(Problem::Asterisk);
        }
        match initial.is_empty() && any.is_empty() && last.is_empty() {
            true => Ok(Filter::Present(attribute)),
            false => Ok(Filter::Parts {
                attribute,
                initial,
                any,
                last,
            }),
        }
    }

    fn value(&mut self) -> Result<Vec<u8>, Problem> {
        let value = self.part()?;
        match self.rest().starts_with('*') {
            true => Err(Problem::Asterisk),
            false => Ok(value),
        }
    }

    /// Up to an asterisk or the closing parenthesis, escapes resolved.
    fn part(&mut self) -> Result<Vec<u8>, Problem> {
        let mut part = Vec::new();
        while let Some(c) = self.rest().chars().next() {
            match c {
                '*' | ')' => break,
                '(' | '\0' => return Err(Problem::Bare),
                '\\' => {
                    let hex = self.rest().get(1..3).ok_or(Problem::Escape)?;
                    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                        return Err(Problem::Escape);
                    }
                    part.push(u8::from_str_radix(hex, 16).map_err(|_| Problem::Escape)?);
                    self.at += 3;
                    continue;
                }
                c => part.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            self.at += c.len_utf8();
        }
        Ok(part)
    }
}

/// `attribute:dn:rule`, each of them optional, but not attribute and rule both absent.
fn extensible(left: &str) -> Result<(Option<Attribute>, bool, Option<Attribute>), Problem> {
    let mut pieces = left.split(':');
    let name = pieces.next().unwrap_or_default();
    let mut rest: Vec<&str> = pieces.collect();
    let dn = rest
        .first()
        .is_some_and(|piece| piece.eq_ignore_ascii_case("dn"));
    if dn {
        rest.remove(0);
    }
    let attribute = |name: &str| Attribute::new(name).map_err(|_| Problem::Attribute);
    let rule = match rest.as_slice() {
        [] => None,
        [rule] => Some(attribute(rule)?),
        _ => return Err(Problem::Comparison),
    };
    match (name, rule) {
        ("", None) => Err(Problem::Attribute),
        ("", rule) => Ok((None, dn, rule)),
        (name, rule) => Ok((Some(attribute(name)?), dn, rule)),
    }
}
