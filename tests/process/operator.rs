//! The commands for whoever is called at night: locks, explain, phones, check and doctor.

use std::{fs, time::Duration};

use super::{Serving, folder, said};
use crate::stage::{BASIC, Setting, wire};

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_lists_exports_and_ends_locks_while_the_server_runs_and_after() {
    let setting = Setting::tenant("[tenant.lockout]\nfailures = 1\nkind = \"hard\"\n");
    let folder = folder(&setting);
    let config = folder.path().join("callotp.toml");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let admin = free.local_addr().expect("an address").to_string();
    drop(free);
    let toml = setting
        .toml()
        .replace(
            "admin_listen = \"127.0.0.1:0\"",
            &format!("admin_listen = \"{admin}\""),
        )
        .replace(
            "kind = \"memory\"",
            "kind = \"embedded\"\npath = \"c.redb\"\nkey_file = \"c.key\"",
        );
    fs::write(&config, toml).expect("written");
    let path = config.to_str().expect("a plain path");
    let serving = Serving::start(&config);
    let otp = serving.get_otp("+46701740605").await;
    let wrong = if otp.contains("000000") {
        "000001"
    } else {
        "000000"
    };
    let login = format!("{{\"username\":\"ada\",\"password\":\"x\",\"otp\":\"{wrong}\"}}");
    let request = format!(
        "PUT /api/authentication/validate HTTP/1.1\r\nHost: x\r\ntenant: t1\r\n\
         Content-Type: application/json\r\nAuthorization: {BASIC}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{login}",
        login.len()
    );
    wire::exchange(
        serving.listening,
        request.as_bytes(),
        Duration::from_secs(5),
    )
    .await;
    assert!(
        serving
            .get_otp("+46701740605")
            .await
            .starts_with("HTTP/1.1 403")
    );
    let strangers = wire::exchange(
        serving.admin,
        b"GET /locks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        Duration::from_secs(5),
    )
    .await;
    assert!(strangers.starts_with("HTTP/1.1 403"), "{strangers}");
    let (code, list) = said(&["locks", "--config", path], "");
    assert!(
        code == Some(0) && list.contains("t1\tada\t20"),
        "{code:?} {list}"
    );
    let (_, exported) = said(&["locks", "--config", path, "export"], "");
    let (code, ended) = said(&["locks", "--config", path, "unlock", "ADA"], "");
    assert_eq!(code, Some(0), "{ended}");
    assert!(
        serving
            .get_otp("+46701740605")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let (code, imported) = said(&["locks", "--config", path, "import"], &exported);
    assert_eq!(code, Some(0), "{imported}");
    assert!(
        serving
            .get_otp("+46701740605")
            .await
            .starts_with("HTTP/1.1 403")
    );
    serving.signal("TERM");
    assert_eq!(serving.end().2, Some(0));
    let (_, list) = said(&["locks", "--config", path, "list"], "");
    assert!(list.contains("t1\tada\t20"), "{list}");
    let (code, said) = said(&["locks", "--config", path, "unlock", "nobody"], "");
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn an_operator_is_told_why_a_number_is_refused_and_who_cannot_be_served() {
    let folder = folder(&Setting::default());
    let path = folder.path().join("callotp.toml");
    let path = path.to_str().expect("a plain path");
    for (number, says) in [
        ("+46701740605", "verdict: an OTP for ada"),
        ("070-174 06 05", "verdict: an OTP for ada"),
        ("+46701740699", "verdict: refused"),
        ("+46701740608", "verdict: refused"),
        ("anonymous", "verdict: refused"),
    ] {
        let (code, told) = said(&["explain", "--config", path, "--tenant", "t1", number], "");
        assert!(
            code == Some(0) && told.contains(says),
            "{number}: {code:?} {told}"
        );
    }
    let (code, report) = said(&["phones", "--config", path, "--tenant", "t1"], "");
    assert!(
        code == Some(0) && report.contains("ambiguous"),
        "{code:?} {report}"
    );
    let (code, told) = said(&["phones", "--config", path, "--tenant", "t9"], "");
    assert!(code == Some(2) && told.contains("t1"), "{code:?} {told}");
    let broken = folder.path().join("broken.toml");
    let toml = Setting::default()
        .toml()
        .replace("people.ldif", "nobody.ldif");
    fs::write(&broken, toml).expect("written");
    let broken = broken.to_str().expect("a plain path");
    for (command, code) in [("check", 2), ("doctor", 1)] {
        let (got, told) = said(&[command, "--config", broken], "");
        assert!(
            got == Some(code) && told.contains("nobody.ldif"),
            "{command}: {got:?} {told}"
        );
    }
    let (code, told) = said(&["doctor", "--config", path], "");
    assert!(
        code == Some(0) && told.contains("nothing is broken"),
        "{code:?} {told}"
    );
}
