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
    if !has("url") && !has("urls") && !section.has("sentinel") {
        section.problem("url", "missing (write `url`, `url_file` or `sentinel`)");
    }
    let name = if has("urls") { "urls" } else { "url" };
    let urls = url.or(urls).unwrap_or_default();
    let urls = with_password(section, name, urls, password.as_ref());
    let sentinel = sentinel.map(|sentinel| read_sentinel(&sentinel));
    let ca = section.path("ca");
    let wait_replicas = section.whole("wait_replicas");
    let wait_timeout = section.duration("wait_timeout");
    Some(RedisConfig {
        urls: urls?,
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
    let urls: Result<Vec<Secret>, &str> = urls
        .iter()
        .map(|url| {
            let mut url =
                url::Url::parse(url.expose()).map_err(|_| "not a URL (write redis://host:port)")?;
            if !matches!(url.scheme(), "redis" | "rediss") {
                return Err("not a URL of redis (write redis://host or rediss://host)");
            }
            if url.host_str().is_none_or(str::is_empty) {
                return Err("the URL names no host");
            }
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
    urls.map_err(|what| section.problem(name, what)).ok()
}
