//! What a reader could make of a text: every decoding, and decodings of decodings.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// How many encodings inside one another are undone.
const DEPTH: usize = 3;

/// Longer texts are read in their beginning only, which is all that is ever shown.
const LONGEST: usize = 64 * 1024;

/// The text itself and what it decodes to.
pub(super) fn readings(text: &str) -> Vec<String> {
    let end = text
        .char_indices()
        .nth(LONGEST)
        .map_or(text.len(), |(at, _)| at);
    let mut all = vec![text[..end].to_owned()];
    let mut from = 0;
    for _ in 0..DEPTH {
        let until = all.len();
        for index in from..until {
            let decoders = [percent, entities, escapes, base64, hex];
            for decoded in decoders.map(|decode| decode(&all[index])) {
                if decoded.len() >= 3 && !all.contains(&decoded) {
                    all.push(decoded);
                }
            }
        }
        from = until;
    }
    all
}

fn percent(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let byte = match bytes[at] {
            b'%' => hex_byte(bytes.get(at + 1..at + 3)),
            _ => None,
        };
        match byte {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let decoded = rest
            .char_indices()
            .take(12)
            .find(|(_, c)| *c == ';')
            .and_then(|(end, _)| entity(&rest[1..end]).map(|c| (c, end + 1)));
        match decoded {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

fn escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        out.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let code = rest
            .strip_prefix('u')
            .and_then(|hex| hex.get(..4))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32);
        match (code, rest.chars().next()) {
            (Some(c), _) => {
                out.push(c);
                rest = &rest[5..];
            }
            (None, Some(c)) => {
                out.push(match c {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
                rest = &rest[c.len_utf8()..];
            }
            (None, None) => {}
        }
    }
    out.push_str(rest);
    out
}

/// Every word that reads as base64, decoded; the rest left out.
fn base64(text: &str) -> String {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engines = [
        GeneralPurpose::new(&STANDARD, config),
        GeneralPurpose::new(&URL_SAFE, config),
    ];
    let in_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    let mut out = String::new();
    for word in text.split(|c| !in_word(c)).filter(|word| word.len() >= 4) {
        for engine in &engines {
            for skip in 0..4.min(word.len()) {
                let word = &word[skip..];
                let whole = word.trim_end_matches('=');
                let whole = &whole[..whole.len() - usize::from(whole.len() % 4 == 1)];
                if let Ok(bytes) = engine.decode(whole) {
                    out.push_str(&String::from_utf8_lossy(&bytes));
                    out.push('\n');
                }
            }
        }
    }
    out
}

/// Every word that reads as hexadecimal bytes, decoded; the rest left out.
fn hex(text: &str) -> String {
    let mut out = String::new();
    for word in text.split(|c: char| !c.is_ascii_hexdigit()) {
        if word.len() >= 6 {
            let bytes: Vec<u8> = word
                .as_bytes()
                .chunks(2)
                .map_while(|pair| hex_byte(Some(pair)))
                .collect();
            out.push_str(&String::from_utf8_lossy(&bytes));
            out.push('\n');
        }
    }
    out
}

fn hex_byte(pair: Option<&[u8]>) -> Option<u8> {
    let pair = pair.filter(|pair| pair.len() == 2 && pair.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}
