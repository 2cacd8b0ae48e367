//! What can be configured and checked, but is not in this build. Whoever builds one
//! of these takes its line away; an empty list takes the file with it.

/// A key, the word there that asks for it (any, for a table), and its name for people.
const NOT_YET: &[(&str, Option<&str>, &str)] = &[
    ("server.tls", None, "TLS of its own"),
    ("server.proxy", None, "certificates from a reverse proxy"),
    (
        "store.kind",
        Some("embedded"),
        "the embedded store (use kind = \"memory\")",
    ),
    (
        "store.kind",
        Some("redis"),
        "the redis store (use kind = \"memory\")",
    ),
    ("tenant.client.bearer", None, "access tokens (use basic)"),
    (
        "tenant.client.certificate",
        None,
        "client certificates (use basic)",
    ),
];

/// Why the table at `path` cannot be used.
pub(super) fn table(path: &str) -> Option<String> {
    find(path, None)
}

/// Why `word` cannot be used for the key at `path`.
pub(super) fn word(path: &str, word: &str) -> Option<String> {
    find(path, Some(word))
}

fn find(path: &str, word: Option<&str>) -> Option<String> {
    NOT_YET
        .iter()
        .find(|(key, needs, _)| *key == path && *needs == word)
        .map(|(_, _, name)| format!("this build does not have {name} yet"))
}
