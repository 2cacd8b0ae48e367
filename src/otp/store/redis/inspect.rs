//! Is the server fit to keep OTPs? Everything that an operator may have got wrong is
//! found at the start, and named.

use std::{collections::HashMap, time::Duration};

use redis::{
    Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, Value,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo},
};

use super::{
    PREFIX, RedisConfig, RedisStore,
    link::{Connection, Link, plain},
};
use crate::{
    clock::Timestamp,
    otp::lockout::{LockKind, LockoutPolicy},
    otp::store::{
        Bound, Lock, OtpMac, OtpStore as _, StoreError, StoreFault, StoreKey, Subject, SubjectKey,
        Tried,
    },
    tenant::TenantId,
};

/// How the records look. Another format is another program's.
const FORMAT: u32 = 1;
/// Redis 7 keeps the code of an error that a script meets, and scripts by their effects.
const OLDEST: u32 = 7;
/// An OTP lives no longer (NIST SP 800-63B-4 §3.1.3.2), so neither does a key's last use.
const LONGEST_LIFE: Duration = Duration::from_secs(600);
/// What the server's user has to be allowed on the keys `callotp:*`.
const NEEDED: &str = "DEL, EVALSHA, GET, HDEL, HGET, HGETALL, HINCRBY, HMGET, HSET, HSETNX, \
    PERSIST, PEXPIRE, SCRIPT LOAD, SET and TIME, and beside them INFO, PING, SCAN and WAIT";
/// For a question that only an operator waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why there is no connection.
pub(super) fn unreachable(config: &RedisConfig, error: &RedisError) -> StoreError {
    let what = match (error.kind(), error.code()) {
        (_, Some("NOAUTH")) => "it wants a password, and there is none".to_owned(),
        (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS")) => {
            "the user or the password is wrong".to_owned()
        }
        (ErrorKind::MasterNameNotFoundBySentinel, _) => match &config.sentinel {
            Some(sentinel) => format!("the sentinels know no master {:?}", sentinel.master),
            None => plain(error),
        },
        (ErrorKind::ClusterConnectionNotFound, _) if config.urls.len() > 1 => {
            format!("no cluster was found there: {}", plain(error))
        }
        _ if error.is_io_error() => format!("it cannot be reached: {}", plain(error)),
        _ => plain(error),
    };
    trouble(config, what)
}

/// Looks at the version, the role, and whether anything may be evicted.
pub(super) async fn server(config: &RedisConfig, link: &Link) -> Result<(), StoreError> {
    let mut ask = redis::cmd("INFO");
    ask.arg("everything");
    let infos = match everywhere::<String>(link, &ask).await {
        Ok(infos) => infos,
        Err(StoreFault::Unavailable(why)) if why.contains("NOPERM") => {
            tracing::warn!("the user may not run INFO: version and maxmemory-policy are not known");
            return Ok(());
        }
        Err(fault) => return Err(trouble(config, fault.to_string())),
    };
    for (_, info) in infos {
        let info = Info(&info);
        let version = info.entry("redis_version").unwrap_or_default();
        let major = version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok());
        if info.entry("valkey_version").is_none() && major.is_none_or(|major: u32| major < OLDEST) {
            let what =
                format!("it is version {version:?}; Redis {OLDEST} or later, or Valkey, is needed");
            return Err(trouble(config, what));
        }
        let policy = info.entry("maxmemory_policy").unwrap_or("noeviction");
        if policy != "noeviction" {
            let what = format!(
                "maxmemory-policy is {policy:?}: it may evict OTPs, counters and locks; set it to \"noeviction\""
            );
            return Err(trouble(config, what));
        }
        if info.entry("role") == Some("slave") {
            return Err(trouble(
                config,
                "it is a replica; name the master".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Makes sure that all nodes file under one key, and know the keys that OTPs are made under.
pub(super) async fn keys(
    config: &RedisConfig,
    link: &Link,
    key: &StoreKey,
) -> Result<(), StoreError> {
    let failed = |fault: StoreFault| trouble(config, fault.to_string());
    let filing = hex(&key.filing_fingerprint());
    for (field, value) in [
        ("format", FORMAT.to_string()),
        ("filed under", filing.clone()),
    ] {
        let mut first = redis::cmd("HSETNX");
        first.arg(meta()).arg(field).arg(value);
        ask::<i64>(link, &first).await.map_err(failed)?;
    }
    let mut all = redis::cmd("HGETALL");
    let entries: HashMap<String, String> = ask(link, all.arg(meta())).await.map_err(failed)?;
    let entry = |name: &str| entries.get(name).map(String::as_str).unwrap_or_default();
    if entry("format") != FORMAT.to_string() {
        return Err(StoreError::OtherFormat {
            place: place(config),
            found: entry("format").parse().unwrap_or(0),
            ours: FORMAT,
        });
    }
    if entry("filed under") != filing {
        return Err(StoreError::OtherKey {
            place: place(config),
        });
    }
    let now = server_time(link).await.map_err(failed)?;
    let accepted: Vec<String> = key.fingerprints().iter().map(hex).collect();
    let strange = entries.iter().any(|(name, used)| {
        let used = Timestamp::from_millis(used.parse().unwrap_or(0));
        name.strip_prefix("key ").is_some_and(|name| {
            now.since(used) < LONGEST_LIFE && !accepted.iter().any(|own| own == name)
        })
    });
    if strange {
        let what = "another node makes OTPs under a key that is not in this node's `key_file`";
        return Err(trouble(config, what.to_owned()));
    }
    announce(link, key.fingerprints()[0]).await.map_err(failed)
}

/// Notes that OTPs are made under this key, and so that the server takes writes.
pub(super) async fn announce(link: &Link, in_force: [u8; 16]) -> Result<(), StoreFault> {
    let now = server_time(link).await?.as_millis();
    let mut note = redis::cmd("HSET");
    note.arg(meta())
        .arg(format!("key {}", hex(&in_force)))
        .arg(now);
    ask::<i64>(link, &note).await.map(|_| ())
}

/// Takes every decision once, on a user whom nobody is: what the server's user may not do
/// shows now, and not at somebody's login.
pub(super) async fn rights(config: &RedisConfig, store: &RedisStore) -> Result<(), StoreError> {
    let lacking = |fault: StoreFault| match fault.to_string() {
        // Redis does not say which; Valkey does.
        what if what.contains("executing the script can't") || what.contains("ACL failure") => {
            trouble(config, format!("{what}; the decisions need {NEEDED}"))
        }
        what => trouble(config, what),
    };
    let claim = store.draw_claim().map_err(lacking)?;
    let nobody = SubjectKey((u128::from(claim.0) << 64).to_be_bytes());
    let tenant = TenantId::new("");
    let subject = &Subject {
        key: &nobody,
        tenant: &tenant,
        name: "",
    };
    let brief = Duration::from_secs(10);
    let lockout = LockoutPolicy {
        failures: 1,
        window: brief,
        duration: brief,
        kind: LockKind::Soft,
    };
    let mac = OtpMac([0; 16]);
    let bound = store.bind(subject, &mac, brief).await.map_err(lacking)?;
    let tried = store.try_otp(subject, &[mac], 1, &lockout, brief).await;
    let Tried::Right(claim) = tried.map_err(lacking)? else {
        return Err(trouble(config, "it forgets what it was told".to_owned()));
    };
    debug_assert_eq!(bound, Bound::Bound);
    store.consume(subject, claim).await.map_err(lacking)?;
    let now = server_time(&store.link).await.map_err(lacking)?;
    let lock = Lock {
        tenant: tenant.clone(),
        name: "".into(),
        key: nobody,
        since: now,
        until: Some(now.after(brief)),
    };
    store.lock(&lock).await.map_err(lacking)?;
    let unlocked = store.decide("unlock", &nobody, |_| {}, |_| false).await;
    unlocked.map_err(lacking)?;
    let none = format!("{PREFIX}none:*");
    keys_like(&store.link, &none).await.map_err(lacking)?;
    Ok(())
}

/// Every key that matches `pattern`, on every server that has keys of its own.
pub(super) async fn keys_like(link: &Link, pattern: &str) -> Result<Vec<String>, StoreFault> {
    let scan = |cursor: &str| {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor)
            .arg("MATCH")
            .arg(pattern)
            .arg("COUNT")
            .arg(1000);
        scan
    };
    let mut keys = Vec::new();
    for (address, first) in everywhere::<(String, Vec<String>)>(link, &scan("0")).await? {
        let (mut cursor, some) = first;
        keys.extend(some);
        while cursor != "0" {
            let (next, some): (String, Vec<String>) =
                ask_at(link, address.as_deref(), scan(&cursor)).await?;
            keys.extend(some);
            cursor = next;
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

async fn server_time(link: &Link) -> Result<Timestamp, StoreFault> {
    let (seconds, micros): (u64, u64) = ask(link, &redis::cmd("TIME")).await?;
    let time = Timestamp::from_millis(seconds * 1000 + micros / 1000);
    link.note(time);
    Ok(time)
}

async fn ask<R: FromRedisValue>(link: &Link, command: &Cmd) -> Result<R, StoreFault> {
    let asked = link.within(PATIENCE, async |mut connection| {
        command.query_async(&mut connection).await
    });
    asked.await.map(|(answer, _)| answer)
}

/// Asks every server that has keys of its own; in a cluster each says its address.
async fn everywhere<R: FromRedisValue>(
    link: &Link,
    command: &Cmd,
) -> Result<Vec<(Option<String>, R)>, StoreFault> {
    let asked = link.within(PATIENCE, async |connection| match connection {
        Connection::One(mut one) => Ok(vec![(None, command.query_async(&mut one).await?)]),
        Connection::Cluster(mut cluster) => {
            let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
            let Value::Map(answers) = cluster.route_command(command.clone(), all).await? else {
                return Err(RedisError::from((ErrorKind::Client, "no answer by server")));
            };
            answers
                .into_iter()
                .map(|(address, answer)| {
                    let address = redis::from_redis_value(address)?;
                    Ok((Some(address), redis::from_redis_value(answer)?))
                })
                .collect()
        }
    });
    asked.await.map(|(answers, _)| answers)
}

/// Asks the server at `address` of a cluster, or the only one.
async fn ask_at<R: FromRedisValue>(
    link: &Link,
    address: Option<&str>,
    command: Cmd,
) -> Result<R, StoreFault> {
    let asked = link.within(PATIENCE, async |connection| -> RedisResult<R> {
        match (
            connection,
            address.and_then(|address| address.rsplit_once(':')),
        ) {
            (Connection::Cluster(mut cluster), Some((host, port))) => {
                let node = SingleNodeRoutingInfo::ByAddress {
                    host: host.to_owned(),
                    port: port.parse().unwrap_or(0),
                };
                let answer = cluster
                    .route_command(command, RoutingInfo::SingleNode(node))
                    .await?;
                Ok(redis::from_redis_value(answer)?)
            }
            (mut connection, _) => command.query_async(&mut connection).await,
        }
    });
    asked.await.map(|(answer, _)| answer)
}

/// `INFO`'s answer.
struct Info<'a>(&'a str);

impl<'a> Info<'a> {
    fn entry(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.0.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
    }
}

fn trouble(config: &RedisConfig, what: String) -> StoreError {
    StoreError::Server {
        place: place(config),
        what,
    }
}

/// The servers' addresses; a URL may hold a password, so it is not shown whole.
fn place(config: &RedisConfig) -> String {
    use redis::IntoConnectionInfo as _;

    let sentinels = config.sentinel.iter().flat_map(|sentinel| &sentinel.urls);
    let urls: Vec<_> = match &config.sentinel {
        Some(_) => sentinels.collect(),
        None => config.urls.iter().collect(),
    };
    let addresses = urls
        .into_iter()
        .map(|url| match url.expose().into_connection_info() {
            Ok(info) => info.addr().to_string(),
            Err(_) => "an unreadable URL".to_owned(),
        });
    format!("redis at {}", addresses.collect::<Vec<_>>().join(", "))
}

fn meta() -> String {
    format!("{PREFIX}meta")
}

fn hex(bytes: &[u8; 16]) -> String {
    SubjectKey(*bytes).to_string()
}
