//! One secret in the spellings in which a target might repeat it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Shorter secrets cannot be told from ordinary text.
const SHORTEST: usize = 3;

pub(super) struct Needle {
    value: String,
    spellings: Vec<String>,
    label: String,
}

impl Needle {
    pub(super) fn new(value: &str, label: String) -> Self {
        let mut spellings = vec![value.to_owned()];
        spellings.push(json(value));
        spellings.push(html(value));
        spellings.push(html(value).replace("&#39;", "&#x27;"));
        spellings.extend(percent(value));
        spellings.extend(base64(value));
        spellings.extend(hex(value));
        spellings.retain(|spelling| spelling.len() >= SHORTEST);
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        spellings.dedup();
        Self {
            value: value.to_owned(),
            spellings,
            label,
        }
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    pub(super) fn take_out(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for spelling in &self.spellings {
            if text.contains(spelling) {
                text = text.replace(spelling, &self.label);
            }
        }
        text
    }

    pub(super) fn is_in(&self, reading: &str) -> bool {
        self.value.len() >= SHORTEST && reading.contains(&self.value)
    }

    /// Are these the digits of a telephone number, whatever stood between them? Its last
    /// eight are the same in every spelling.
    pub(super) fn is_spelt_in(&self, digits: &str) -> bool {
        let separator = |c: char| matches!(c, '+' | ' ' | '-' | '(' | ')' | '.' | '/');
        let own: String = self.value.chars().filter(char::is_ascii_digit).collect();
        let number = self
            .value
            .chars()
            .all(|c| c.is_ascii_digit() || separator(c));
        number && own.len() >= 8 && digits.contains(&own[own.len() - 8..])
    }
}

fn json(value: &str) -> String {
    let quoted = crate::text::quote(value);
    quoted[1..quoted.len() - 1].to_owned()
}

fn html(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn percent(value: &str) -> Vec<String> {
    let encode = |upper: bool, all: bool| {
        value
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' if !all => {
                    char::from(byte).to_string()
                }
                _ if upper => format!("%{byte:02X}"),
                _ => format!("%{byte:02x}"),
            })
            .collect::<String>()
    };
    let upper = encode(true, false);
    vec![
        upper.replace("%20", "+"),
        encode(false, false),
        encode(true, true),
        encode(false, true),
        upper,
    ]
}

/// The characters of base64 that a value decides whatever stands around it: one
/// spelling for each of the three ways it can lie on the groups of three bytes.
fn base64(value: &str) -> Vec<String> {
    let mut spellings = vec![STANDARD.encode(value)];
    for offset in 0..3 {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(value.as_bytes());
        let encoded = STANDARD.encode(&bytes);
        let from = (offset * 8).div_ceil(6);
        let to = bytes.len() * 8 / 6;
        // Fewer than five characters say next to nothing and occur by chance.
        if to > from + 4 {
            spellings.push(encoded[from..to].to_owned());
        }
    }
    let url: Vec<String> = spellings
        .iter()
        .map(|spelling| spelling.replace('+', "-").replace('/', "_"))
        .collect();
    spellings.extend(url);
    spellings
}

fn hex(value: &str) -> [String; 2] {
    let lower: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    [lower.to_uppercase(), lower]
}
