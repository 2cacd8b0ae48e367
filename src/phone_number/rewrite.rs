//! A tenant's rules that make numbers of extensions.

use regex::Regex;

use super::PlanError;

/// `{ from = "^([0-9]{4})$", to = "+4687001$1" }`
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pattern: Regex,
    replacement: Vec<Piece>,
}

/// By its text: two rules that are written alike do the same.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.pattern.as_str() == other.pattern.as_str() && self.replacement == other.replacement
    }
}

impl Eq for Rule {}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Rule {
    pub(super) fn new(rule: usize, from: String, to: String) -> Result<Self, PlanError> {
        let pattern = match Regex::new(&from) {
            Ok(pattern) => pattern,
            Err(error) => {
                let reason = error.to_string();
                return Err(PlanError::Pattern { rule, from, reason });
            }
        };
        let replacement = pieces(&to);
        let missing = replacement.iter().find_map(|piece| match piece {
            Piece::Group(group) if *group >= pattern.captures_len() => Some(*group),
            _ => None,
        });
        match missing {
            Some(group) => Err(PlanError::Group {
                rule,
                from,
                to,
                group,
            }),
            None => Ok(Self {
                pattern,
                replacement,
            }),
        }
    }

    /// True if the pattern finds something in `text`.
    pub(super) fn finds(&self, text: &str) -> bool {
        self.pattern.is_match(text)
    }

    /// `text` with what the pattern finds replaced; `None` if it finds nothing.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let found = self.pattern.captures(text)?;
        let whole = found.get_match();
        let mut result = text[..whole.start()].to_owned();
        for piece in &self.replacement {
            result.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Group(group) => found.get(*group).map_or("", |group| group.as_str()),
            });
        }
        result.push_str(&text[whole.end()..]);
        Some(result)
    }

    /// The texts which the rule makes `number` of, for rules whose pattern is
    /// anchored and whose replacement is a text around the first group.
    pub(super) fn undo(&self, number: &str) -> Option<String> {
        let (before, after) = match self.replacement.as_slice() {
            [Piece::Group(1)] => ("", ""),
            [Piece::Text(before), Piece::Group(1)] => (before.as_str(), ""),
            [Piece::Group(1), Piece::Text(after)] => ("", after.as_str()),
            [Piece::Text(before), Piece::Group(1), Piece::Text(after)] => {
                (before.as_str(), after.as_str())
            }
            _ => return None,
        };
        let group = number.strip_prefix(before)?.strip_suffix(after)?;
        let made = self.apply(group)?;
        (made == number).then(|| group.to_owned())
    }
}

/// A replacement's pieces: `$1`, `${1}` and `\1` are groups, `$$` and `\\` the signs themselves.
fn pieces(to: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = to;
    while let Some(sign) = rest.chars().next() {
        rest = &rest[sign.len_utf8()..];
        let group = match sign {
            '$' | '\\' => group_number(rest),
            _ => None,
        };
        match group {
            Some((group, behind)) => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Group(group));
                rest = behind;
            }
            None => {
                text.push(sign);
                if matches!(sign, '$' | '\\') {
                    rest = rest.strip_prefix(sign).unwrap_or(rest);
                }
            }
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// One digit, bare or in braces, and what stands behind it.
fn group_number(text: &str) -> Option<(usize, &str)> {
    let braced = text.strip_prefix('{');
    let digits = braced.unwrap_or(text);
    let digit = digits.chars().next()?.to_digit(10)?;
    let behind = &digits[1..];
    let behind = match braced {
        Some(_) => behind.strip_prefix('}')?,
        None => behind,
    };
    Some((usize::try_from(digit).ok()?, behind))
}
