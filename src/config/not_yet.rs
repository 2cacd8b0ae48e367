//! What can be configured and checked, but is not in this build. Whoever builds one
//! of these takes its line away; an empty list takes the file with it.

/// A key, the word there that asks for it (any, for a table), its name for people,
/// and what there is instead.
const NOT_YET: &[(&str, Option<&str>, &str, &str)] = &[
    ("server.tls", None, "TLS", "a reverse proxy can end it"),
    (
        "server.proxy",
        None,
        "certificates from a reverse proxy",
        "use basic",
    ),
    ("tenant.client.bearer", None, "access tokens", "use basic"),
    (
        "tenant.client.certificate",
        None,
        "client certificates",
        "use basic",
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
        .find(|(key, needs, ..)| *key == path && *needs == word)
        .map(|(.., name, instead)| format!("this build does not have {name} yet ({instead})"))
}
