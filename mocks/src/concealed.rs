//! What a caller sent, without what may be a credential: callers that are wrong put theirs in
//! unlikely places.

/// The schemes that are named (RFC 9110 §16.4.1 registers them); any other first word may be
/// the credential itself.
const SCHEMES: [&str; 6] = ["Basic", "Bearer", "Digest", "Negotiate", "NTLM", "Token"];

/// Parts of the names of headers that carry credentials.
const SECRET_NAMES: [&str; 7] = [
    "auth",
    "key",
    "token",
    "secret",
    "password",
    "cookie",
    "credential",
];

const MASK: &str = "‹masked›";

/// The scheme that credentials begin with, if it is a known one.
pub(crate) fn scheme(value: &str) -> Option<&'static str> {
    let (first, _) = value.split_once(' ')?;
    let known = SCHEMES.iter();
    known
        .copied()
        .find(|known| first.eq_ignore_ascii_case(known))
}

/// A header's value; of one that may carry credentials the scheme only.
pub(crate) fn header(name: &str, value: &str) -> String {
    let name = name.to_ascii_lowercase();
    if !SECRET_NAMES.iter().any(|part| name.contains(part)) {
        return value.to_owned();
    }
    match scheme(value) {
        Some(scheme) => format!("{scheme} {MASK}"),
        None => MASK.to_owned(),
    }
}

/// A request's target without its query and user information (RFC 3986 §3.2.1).
pub(crate) fn target(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, _)) => (path, format!("?{MASK}")),
        None => (target, String::new()),
    };
    let path = match path.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            match rest[..end].rfind('@') {
                Some(at) => format!("{scheme}://{MASK}{}", &rest[at..]),
                None => path.to_owned(),
            }
        }
        None => path.to_owned(),
    };
    path + &query
}

/// A request's head, its lines as they were but for credentials.
pub(crate) fn head(head: &str) -> String {
    let lines = head.split_inclusive('\n').enumerate();
    let masked = lines.map(|(index, line)| {
        let text = line.trim_end_matches(['\r', '\n']);
        let end = &line[text.len()..];
        let text = match (index, text.split_once(':')) {
            (0, _) => text.split(' ').map(target).collect::<Vec<_>>().join(" "),
            (_, Some((name, value))) => {
                let shown = header(name, value.trim());
                match shown == value.trim() {
                    true => text.to_owned(),
                    false => format!("{name}: {shown}"),
                }
            }
            (_, None) => text.to_owned(),
        };
        text + end
    });
    masked.collect()
}

/// A text that may quote what stands in `head`.
pub(crate) fn quoting(text: &str, head: &str) -> String {
    let mut text = text.to_owned();
    let mut lines = head.lines();
    for word in lines.next().unwrap_or_default().split(' ') {
        let shown = target(word);
        if shown != word {
            text = text.replace(word, &shown);
        }
    }
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        let shown = header(name, value);
        if shown != value && !value.is_empty() {
            text = text.replace(value, &shown);
            let credential = value.split_once(' ').map_or(value, |(_, rest)| rest.trim());
            if credential.len() > 3 {
                text = text.replace(credential, MASK);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "s3cr3tPW";

    #[test]
    fn a_credential_is_not_shown_wherever_it_is_put() {
        let values = [
            "pbx:s3cr3tPW",
            "Basic pbx:s3cr3tPW",
            "Basics3cr3tPW",
            "Basic:s3cr3tPW",
        ];
        let names = [
            "Authorization",
            "X-Authorization",
            "Proxy-Authorization",
            "X-Api-Key",
        ];
        let lines = [
            "PUT /api/authentication/getOTP?user=pbx&password=s3cr3tPW HTTP/1.1",
            "PUT http://pbx:s3cr3tPW@x/api/authentication/getOTP HTTP/1.1",
        ];
        for (value, name, line) in values.iter().flat_map(|value| {
            let rest = names.iter().flat_map(|name| lines.map(|line| (name, line)));
            rest.map(move |(name, line)| (value, name, line))
        }) {
            let whole = format!("{line}\r\nHost: x\r\n{name}: {value}\r\n\r\n");
            let shown = head(&whole);
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(shown.contains("\r\nHost: x\r\n"));
            let quoted = quoting(&whole, &whole);
            assert!(!quoted.contains(SECRET), "{quoted}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in any::<String>(), other in any::<String>()) {
            head(&text);
            quoting(&text, &other);
        }
    }
}
