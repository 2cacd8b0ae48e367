//! The keys of `[store]`.

use super::{
    Absent::{Is, Means, Refused},
    Form, Key, key, millis, seconds,
};

pub(super) const KEYS: &[Key] = &[
    key(
        "store",
        Form::Table,
        Means("every key in it has its default"),
        "Where OTPs, failures and locks are kept. Changing anything here needs a restart.",
        "",
    ),
    key(
        "store.kind",
        Form::Word(&["memory", "embedded", "redis"]),
        Is(r#""embedded""#),
        "`memory`: lost when the program ends, for trying and for tests. `embedded`: a crash-safe file of one server. `redis`: Redis or Valkey, shared by several servers.",
        "An OTP that was spoken must work after a crash, and nothing else has to be installed.",
    ),
    key(
        "store.path",
        Form::Path,
        Is(r#""callotp.redb""#),
        "The file that holds the store.",
        "Beside the configuration.",
    )
    .only("kind", "embedded"),
    key(
        "store.key_file",
        Form::Path,
        Means("`callotp.key` with `embedded`; refused with `redis`; with `memory`, a key that is never written"),
        "The key under which OTPs are kept. With `embedded` it is made, with mode 0600, when absent; with `redis` all servers share it.",
        "The store alone must not tell an OTP.",
    ),
    key(
        "store.url",
        Form::SecretUrls,
        Means("`urls` or `sentinel` says where"),
        "`redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS. A list of URLs is a cluster. Beside `sentinel`, one URL gives the master's user, password and database; its host is not used.",
        "",
    )
    .only("kind", "redis"),
    key(
        "store.urls",
        Form::SecretUrls,
        Means("`url` or `sentinel` says where"),
        "The same as `url`, for those who write the plural.",
        "",
    )
    .only("kind", "redis"),
    key(
        "store.password",
        Form::Secret,
        Means("the password in the URL, if there is one"),
        "The password that goes into every URL, so that the file holds none.",
        "",
    )
    .only("kind", "redis"),
    key(
        "store.sentinel",
        Form::Table,
        Means("the URLs name the servers themselves"),
        "Sentinels that know which server is the master.",
        "",
    )
    .only("kind", "redis"),
    key(
        "store.sentinel.master",
        Form::Text,
        Refused,
        "The name under which the sentinels know the group.",
        "",
    ),
    key(
        "store.sentinel.urls",
        Form::SecretUrls,
        Refused,
        "The sentinels, as `redis://host:26379`.",
        "",
    ),
    key(
        "store.ca",
        Form::Path,
        Means("the system's authorities"),
        "The authorities (PEM) that a `rediss://` server's certificate may come from.",
        "",
    )
    .only("kind", "redis"),
    key(
        "store.wait_replicas",
        Form::Whole(0, 100, "a write cannot wait for more"),
        Is("0"),
        "How many replicas must have a write before it counts (`WAIT`).",
        "Waiting costs time on every call; without it a failover can lose the last writes.",
    )
    .only("kind", "redis"),
    key(
        "store.wait_timeout",
        Form::Duration(millis(1), seconds(10), "the answer's own deadline comes first"),
        Is(r#""500ms""#),
        "How long to wait for the replicas.",
        "A fraction of `request_timeout`.",
    )
    .only("kind", "redis"),
];
