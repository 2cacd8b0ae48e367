//! One call after another: what is issued, to whom, and what it is good for.

use std::{collections::HashSet, time::Duration};

use serde_json::json;

use crate::stage::{ADA, BO, NOBODY, Setting, Stage, tenant, wire};

#[tokio::test]
async fn the_documents_example_request_gets_an_otp_byte_for_byte() {
    let stage = Stage::usual().await;
    let body = "{ \"phonenumber\":\"+467012345678\" }";
    let head = format!(
        "Content-Length: {}\r\nAuthorization: Basic cGJ4OnNlY3JldA==\r\nConnection: close\r\n",
        body.len()
    );
    let request = wire::example(&head, body);
    let answer = wire::exchange(stage.address, &request, Duration::from_secs(5)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-type: application/json\r\n"),
        "{answer}"
    );
    assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let otp = body["otp"].as_str().expect("an otp");
    assert!(
        otp.len() == 6 && otp.bytes().all(|byte| byte.is_ascii_digit()),
        "{otp}"
    );
}

#[tokio::test]
async fn an_otp_logs_its_user_in_once() {
    let stage = Stage::usual().await;
    let otp = stage.otp(ADA).await;
    let first = stage.validate("ada", "correct horse", &otp).await;
    assert_eq!(
        (first.status, first.body.as_str()),
        (200, "{\"username\":\"ada\"}")
    );
    assert_eq!(
        stage.validate("ada", "correct horse", &otp).await.status,
        403
    );
}

#[tokio::test]
async fn a_name_is_matched_without_case_and_answered_as_the_directory_spells_it() {
    let stage = Stage::usual().await;
    let otp = stage.otp(BO).await;
    let answer = stage.validate("bO", "battery staple", &otp).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "{\"username\":\"Bo\"}")
    );
}

#[tokio::test]
async fn every_number_of_a_user_in_every_attribute_finds_the_user() {
    let stage = Stage::usual().await;
    for number in ["+46701740606", "0701740616", "070-174 06 16"] {
        let otp = stage.otp(number).await;
        let answer = stage.validate("bo", "battery staple", &otp).await;
        assert_eq!(answer.status, 200, "{number}");
    }
}

#[tokio::test]
async fn an_otp_is_nobody_elses() {
    let stage = Stage::usual().await;
    let otp = stage.otp(ADA).await;
    assert_eq!(
        stage.validate("bo", "battery staple", &otp).await.status,
        403
    );
    assert_eq!(
        stage.validate("ada", "correct horse", &otp).await.status,
        200
    );
}

#[tokio::test]
async fn a_newer_otp_replaces_the_older_one() {
    let stage = Stage::usual().await;
    let mut older = stage.otp(ADA).await;
    let mut newer = stage.otp(ADA).await;
    while older == newer {
        (older, newer) = (newer, stage.otp(ADA).await);
    }
    assert_eq!(
        stage.validate("ada", "correct horse", &older).await.status,
        403
    );
    assert_eq!(
        stage.validate("ada", "correct horse", &newer).await.status,
        200
    );
}

#[tokio::test]
async fn an_otp_ends_with_its_lifetime() {
    let stage = Stage::usual().await;
    let otp = stage.otp(ADA).await;
    stage.clock.advance(Duration::from_secs(300));
    assert_eq!(
        stage.validate("ada", "correct horse", &otp).await.status,
        403
    );
    let otp = stage.otp(ADA).await;
    stage.clock.advance(Duration::from_millis(299_999));
    assert_eq!(
        stage.validate("ada", "correct horse", &otp).await.status,
        200
    );
}

#[tokio::test]
async fn an_otp_is_burnt_at_the_third_wrong_attempt() {
    let setting = "[tenant.lockout]\nfailures = 50\n";
    let stage = Stage::set(Setting::tenant(setting)).await;
    for wrong_attempts in [2, 3] {
        let otp = stage.otp(ADA).await;
        let wrong = if otp == "000000" { "000001" } else { "000000" };
        for _ in 0..wrong_attempts {
            assert_eq!(
                stage.validate("ada", "correct horse", wrong).await.status,
                403
            );
        }
        let expected = if wrong_attempts < 3 { 200 } else { 403 };
        let answer = stage.validate("ada", "correct horse", &otp).await;
        assert_eq!(
            answer.status, expected,
            "after {wrong_attempts} wrong attempts"
        );
    }
}

#[tokio::test]
async fn digits_are_as_many_as_configured_and_keep_their_leading_zeros() {
    let setting = "[tenant.otp]\ndigits = 8\n";
    let stage = Stage::set(Setting::tenant(setting)).await;
    let mut first_digits = HashSet::new();
    for _ in 0..200 {
        let otp = stage.otp(ADA).await;
        assert_eq!(otp.len(), 8, "{otp}");
        first_digits.insert(otp.as_bytes()[0]);
    }
    // A digit is missing after 200 draws once in 140 million runs.
    assert_eq!(first_digits.len(), 10);
}

#[tokio::test]
async fn of_simultaneous_validates_exactly_one_succeeds() {
    let stage = Stage::usual().await;
    for _ in 0..20 {
        let otp = stage.otp(ADA).await;
        let all = (0..16).map(|_| stage.validate("ada", "correct horse", &otp));
        let answers = futures_util::future::join_all(all).await;
        let granted = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(granted, 1, "{answers:?}");
    }
}

#[tokio::test]
async fn a_tenants_number_gets_nothing_under_another_tenant() {
    let mut setting = Setting {
        more: tenant("t2", "others.ldif"),
        ..Setting::default()
    };
    let folder = tempfile::tempdir().expect("a folder");
    let others = "version: 1\n\ndn: uid=gun,dc=example,dc=org\nobjectClass: person\nuid: gun\n\
                  mobile: +46701740610\nuserPassword: guns\n";
    std::fs::write(folder.path().join("people.ldif"), &setting.people).expect("written");
    std::fs::write(folder.path().join("others.ldif"), others).expect("written");
    setting.people.clear();
    let stage = Stage::in_folder(folder, &setting.toml()).await;
    let ask = |tenant: &'static str, number: &str| {
        let request = stage.request("getOTP", &json!({ "phonenumber": number }));
        let mut built = request.build().expect("a request");
        built
            .headers_mut()
            .insert("tenant", tenant.parse().expect("a value"));
        reqwest::RequestBuilder::from_parts(reqwest::Client::new(), built)
    };
    for (tenant, number, status) in [
        ("t1", ADA, 200),
        ("t2", ADA, 403),
        ("t1", "+46701740610", 403),
        ("t2", "+46701740610", 200),
        ("T1", ADA, 403),
        ("t3", ADA, 403),
    ] {
        let answer = stage.send(ask(tenant, number)).await;
        assert_eq!(answer.status, status, "{number} under {tenant}");
    }
}

#[tokio::test]
async fn a_name_and_an_otp_are_enough_where_the_tenant_says_so() {
    let stage = Stage::usual().await;
    let otp = stage.otp(ADA).await;
    let body = json!({ "username": "ada", "otp": otp });
    let refused = stage.send(stage.request("validate", &body)).await;
    assert_eq!(refused.status, 403, "validate wants a password by default");
    let granted = stage.send(stage.request("otp_token_auth", &body)).await;
    assert_eq!(
        (granted.status, granted.body.as_str()),
        (200, "{\"username\":\"ada\"}")
    );

    for (rule, password, status) in [
        ("optional", None, 200),
        ("optional", Some("wrong"), 403),
        ("optional", Some(""), 403),
        ("optional", Some("correct horse"), 200),
        ("ignored", Some("wrong"), 200),
        ("ignored", None, 200),
        ("required", None, 403),
        ("required", Some(""), 403),
    ] {
        let setting = format!("[tenant.validate]\npassword = \"{rule}\"\n");
        let stage = Stage::set(Setting::tenant(&setting)).await;
        let mut body = json!({ "username": "ada", "otp": stage.otp(ADA).await });
        if let Some(password) = password {
            body["password"] = json!(password);
        }
        let answer = stage.send(stage.request("validate", &body)).await;
        assert_eq!(answer.status, status, "{rule} {password:?}");
    }
}

#[tokio::test]
async fn a_number_that_asks_too_often_is_quarantined_whoever_has_it() {
    let setting = Setting {
        tenant: String::new(),
        ..Setting::default()
    };
    let stage = Stage::set(setting).await;
    for number in [ADA, NOBODY] {
        let mut statuses = Vec::new();
        for _ in 0..7 {
            statuses.push(stage.get_otp(number).await.status);
            stage.clock.advance(Duration::from_secs(1));
        }
        let expected = if number == ADA { 200 } else { 403 };
        assert_eq!(statuses[..5], [expected; 5], "{number}");
        assert_eq!(statuses[5..], [403, 403], "{number}");
    }
    stage.last_reason(14).await;
    let log = stage.log();
    assert_eq!(log.matches("number_throttled").count(), 4, "{log}");
    stage.clock.advance(Duration::from_secs(600));
    assert_eq!(stage.get_otp(ADA).await.status, 200, "the quarantine ends");
}

#[tokio::test]
async fn requests_at_the_allowed_pace_are_never_quarantined() {
    let stage = Stage::set(Setting {
        tenant: String::new(),
        ..Setting::default()
    })
    .await;
    for _ in 0..12 {
        assert_eq!(stage.get_otp(ADA).await.status, 200);
        stage.clock.advance(Duration::from_secs(30));
    }
}

#[tokio::test]
async fn an_extension_becomes_a_number_by_the_tenants_rule() {
    let people = crate::stage::PEOPLE.replace("mobile: +46701740605", "mobile: +46 8 700 1234");
    let mut setting = Setting {
        people,
        ..Setting::default()
    };
    setting.tenant.push_str("[tenant.phone]\nregion = \"SE\"\n");
    setting
        .tenant
        .push_str("rewrite = [{ from = \"^([0-9]{4})$\", to = \"+4687001$1\" }]\n");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("people.ldif"),
        setting.people.replace("+46 8 700 1234", "+46 8 700 11 234"),
    )
    .expect("written");
    let toml = setting
        .toml()
        .replacen("[tenant.phone]\nregion = \"SE\"\n\n", "\n", 1);
    let stage = Stage::in_folder(folder, &toml).await;
    let otp = stage.otp("1234").await;
    assert_eq!(
        stage.validate("ada", "correct horse", &otp).await.status,
        200
    );
}

#[tokio::test]
async fn the_directorys_file_is_read_again_when_it_changes_and_not_when_it_is_broken() {
    let stage = Stage::usual().await;
    let file = stage.folder.path().join("people.ldif");
    let served = async |number: &str, status: u16| {
        for _ in 0..500 {
            if stage.get_otp(number).await.status == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{number} never got {status}");
    };
    served(NOBODY, 403).await;
    let newer = crate::stage::PEOPLE.replace("+46701740605", NOBODY);
    std::fs::write(&file, &newer).expect("written");
    served(NOBODY, 200).await;
    std::fs::write(&file, newer + "\ndn: uid=x,dc=example,dc=org\nuid x\n").expect("written");
    for _ in 0..500 {
        let ready = stage.admin("/readyz").await;
        if ready.body.contains("people.ldif:48") {
            assert_eq!(ready.status, 200, "the old people are still served");
            served(NOBODY, 200).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "the broken line is not named: {:?}",
        stage.admin("/readyz").await
    );
}
