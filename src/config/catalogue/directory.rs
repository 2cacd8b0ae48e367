//! The keys of `[tenant.directory]`.

use super::{
    Absent::{Is, Means, Refused},
    Form, Key, days, key, seconds,
};

pub(super) const KEYS: &[Key] = &[
    key(
        "tenant.directory",
        Form::Table,
        Refused,
        "Where the users are.",
        "",
    ),
    key(
        "tenant.directory.kind",
        Form::Word(&["ldif", "ldap"]),
        Refused,
        "`ldif`: the embedded directory, an LDIF file that is read again when it changes. `ldap`: LDAP servers, Active Directory included.",
        "",
    ),
    key(
        "tenant.directory.path",
        Form::Path,
        Refused,
        "The LDIF file (RFC 2849). `userPassword` may be `{ARGON2}`, `{SSHA512}`, `{SSHA256}`, `{SSHA}` or, with a warning, clear text.",
        "",
    )
    .only("kind", "ldif"),
    key(
        "tenant.directory.urls",
        Form::Texts,
        Refused,
        "The servers, as `ldaps://host[:port]` or `ldap://host[:port]`, in the order in which they are tried.",
        "",
    )
    .only("kind", "ldap"),
    key(
        "tenant.directory.start_tls",
        Form::Flag,
        Is("false"),
        "Ask for TLS on `ldap://` connections (RFC 4511 §4.14).",
        "`ldaps://` needs no asking.",
    )
    .only("kind", "ldap"),
    key(
        "tenant.directory.ca",
        Form::Path,
        Means("the system's authorities"),
        "The authorities (PEM) that a server's certificate may come from.",
        "",
    )
    .only("kind", "ldap"),
    key(
        "tenant.directory.bind_dn",
        Form::Text,
        Means("searches are anonymous"),
        "The service user that searches: a distinguished name, or with Active Directory `name@domain`.",
        "",
    )
    .only("kind", "ldap"),
    key(
        "tenant.directory.bind_password",
        Form::Secret,
        Means("searches are anonymous"),
        "The service user's password.",
        "",
    )
    .only("kind", "ldap"),
    key(
        "tenant.directory.base",
        Form::Text,
        Means("the whole file with `ldif`; refused with `ldap`"),
        "The entry below which the users are.",
        "",
    ),
    key(
        "tenant.directory.user_filter",
        Form::Text,
        Is(r#""(objectClass=person)""#),
        "Which entries are users that may log in (RFC 4515). A user that it does not match is disabled.",
        "Every person below `base`.",
    ),
    key(
        "tenant.directory.username_attribute",
        Form::Text,
        Is(r#""uid""#),
        "The name that a user logs in with; `sAMAccountName` with Active Directory.",
        "What OpenLDAP uses.",
    ),
    key(
        "tenant.directory.user_id_attribute",
        Form::Text,
        Is(r#""entryUUID""#),
        "The id that never changes; `objectGUID` with Active Directory.",
        "RFC 4530: what OpenLDAP uses.",
    ),
    key(
        "tenant.directory.phone_attributes",
        Form::Texts,
        Is(r#"["mobile", "telephoneNumber"]"#),
        "Where users' numbers are. Each may hold several.",
        "The attributes that directories have from the start (RFC 4519, RFC 4524).",
    ),
    key(
        "tenant.directory.lookup",
        Form::Word(&["search", "index"]),
        Is(r#""search""#),
        "How a number finds its user. `search`: one question to the server. `index`: all numbers in memory (`ldap` only).",
        "It needs nothing of the directory that is not there.",
    ),
    key(
        "tenant.directory.index_refresh",
        Form::Duration(seconds(1), days(1), "a directory should not be asked more often than each second"),
        Is(r#""30s""#),
        "How often the index asks for changes.",
        "New numbers work within a call or two, and the directory hardly notices.",
    )
    .only("kind", "ldap"),
];
