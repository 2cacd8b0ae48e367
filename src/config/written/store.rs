//! `[store]`

use crate::{
    config::{EngineConfig, StoreConfig, reader::Section},
    otp::store::redis::{RedisConfig, SentinelConfig},
    secret::Secret,
};

pub(super) fn store(section: &Section<'_>) -> Option<StoreConfig> {
    let kind = section.word("kind")?;
    for (name, other) in section.keys_of_others("kind", kind) {
        let what = format!("belongs to kind = \"{other}\", but the kind is \"{kind}\"");
        // Whoever tries something out in memory need not take the rest apart.
        match kind {
            "memory" => section.warning(&name, format!("{what}: it has no effect")),
            _ => section.problem(&name, what),
        }
    }
    let key_file = section.path("key_file");
    let engine = match kind {
        "memory" => Some(EngineConfig::Memory),
        "embedded" => section
            .path("path")
            .map(|path| EngineConfig::Embedded { path }),
        _ => redis(section).map(EngineConfig::Redis),
    };
    if kind == "redis" && !section.has("key_file") {
        section.problem(
            "key_file",
            "missing (all servers of one redis need the same key)",
        );
    }
    let key_file = match kind {
        "embedded" => key_file.or_else(|| Some(section.beside("callotp.key"))),
        _ => key_file,
    };
    Some(StoreConfig {
        engine: engine?,
        key_file,
    })
}

fn redis(section: &Section<'_>) -> Option<RedisConfig> {
    let url = section.secrets("url");
    let urls = section.secrets("urls");
    let password = section.secret("password");
    let sentinel = section.table("sentinel");
    let has = |name: &str| section.has(name) || section.has(&format!("{name}_file"));
    if has("url") && has("urls") {
        section.problem("urls", "`url` is there as well: keep one of the two");
    }
    if !has("url") && !has("urls") {
        if !section.has("sentinel") {
            section.problem("url", "missing (write `url`, `url_file` or `sentinel`)");
        }
        if has("password") {
            let what = "belongs to a `url`, which is missing (redis://user@master/0 will do)";
            section.problem("password", what);
        }
    }
    let name = if has("urls") { "urls" } else { "url" };
    let urls = url.or(urls).unwrap_or_default();
    if sentinel.is_some() && urls.len() > 1 {
        section.problem(
            "sentinel",
            "several URLs are a cluster, which has no `sentinel`",
        );
    }
    if section.is_in_the_open("password") {
        section.warning(
            "password",
            "stands in the file (password_file keeps it out)",
        );
    }
    let urls = with_password(section, name, urls, password.as_ref());
    let sentinel = sentinel.map(|sentinel| read_sentinel(&sentinel));
    let ca = section.path("ca");
    let wait_replicas = section.whole("wait_replicas");
    let wait_timeout = section.duration("wait_timeout");
    Some(RedisConfig {
        urls: urls?,
        password,
        sentinel: sentinel.unwrap_or_default(),
        ca,
        wait_replicas,
        wait_timeout,
    })
}

fn read_sentinel(section: &Section<'_>) -> Option<SentinelConfig> {
    let master = section.text("master");
    let urls = section.secrets("urls").unwrap_or_default();
    let urls = with_password(section, "urls", urls, None);
    Some(SentinelConfig {
        master: master?.into(),
        urls: urls?,
    })
}

/// `urls`, each a URL of redis, with `password` in it if there is one.
fn with_password(
    section: &Section<'_>,
    name: &str,
    urls: Vec<Secret>,
    password: Option<&Secret>,
) -> Option<Vec<Secret>> {
    let mut has_password = false;
    let urls: Result<Vec<Secret>, &str> = urls
        .iter()
        .map(|url| {
            let mut url = redis_url(url.expose())?;
            has_password |= url.password().is_some();
            if let Some(password) = password {
                if url.password().is_some() {
                    return Err("the URL holds a password, and `password` is there as well");
                }
                let set = url.set_password(Some(password.expose()));
                set.map_err(|()| "the URL cannot hold a password")?;
            }
            Ok(Secret::new(url.into()))
        })
        .collect();
    if has_password && section.is_in_the_open(name) {
        let what = format!("a password stands in the file ({name}_file keeps it out)");
        section.warning(name, what);
    }
    let twin = format!("{name}_file");
    let written = if section.has(&twin) { &twin } else { name };
    urls.map_err(|what| section.problem(written, what)).ok()
}

fn redis_url(text: &str) -> Result<url::Url, &'static str> {
    let url = url::Url::parse(text).map_err(|_| "not a URL (write redis://host:port)")?;
    if !matches!(url.scheme(), "redis" | "rediss") {
        return Err("not a URL of redis (write redis://host or rediss://host)");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL names no host");
    }
    let database = url.path().trim_start_matches('/');
    if !database.is_empty() && database.parse::<u32>().is_err() {
        return Err("what follows the host is not a database's number (write redis://host/0)");
    }
    Ok(url)
}
