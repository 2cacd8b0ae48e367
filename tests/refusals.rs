//! Every way to be refused: what shows outside, and what the log says.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{ADA, BASIC, NOBODY, Setting, Stage, wire};

/// A request that differs from the right one, and what it gets.
struct Case {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    /// With `refusals = "http"`.
    status: u16,
    reason: &'static str,
}

const PATH: &str = "/api/authentication/getOTP";
const GOOD: &[u8] = br#"{"phonenumber":"+46701740605"}"#;
const HEADERS: &[(&str, &str)] = &[
    ("tenant", "t1"),
    ("content-type", "application/json"),
    ("authorization", BASIC),
];

macro_rules! cases {
    ($($name:literal: $method:literal $path:expr, $headers:expr, $body:expr => $status:literal $reason:literal;)*) => {
        const CASES: &[Case] = &[$(Case {
            name: $name, method: $method, path: $path, headers: $headers, body: $body,
            status: $status, reason: $reason,
        }),*];
    };
}

cases! {
    "GET": "GET" PATH, HEADERS, b"" => 405 "method";
    "POST": "POST" PATH, HEADERS, GOOD => 405 "method";
    "DELETE": "DELETE" PATH, HEADERS, GOOD => 405 "method";
    "PATCH": "PATCH" PATH, HEADERS, GOOD => 405 "method";
    "an invented method": "BREW" PATH, HEADERS, GOOD => 405 "method";
    "another operation": "PUT" "/api/authentication/getotp", HEADERS, GOOD => 404 "unknown_path";
    "two slashes": "PUT" "/api/authentication/getOTP//", HEADERS, GOOD => 404 "unknown_path";
    "another path": "PUT" "/getOTP", HEADERS, GOOD => 404 "unknown_path";
    "an escaped path": "PUT" "/api/authentication/get%4fTP", HEADERS, GOOD => 404 "unknown_path";
    "no tenant": "PUT" PATH, &[("content-type", "application/json"), ("authorization", BASIC)], GOOD => 400 "tenant_header";
    "an empty tenant": "PUT" PATH, &[("tenant", ""), ("content-type", "application/json"), ("authorization", BASIC)], GOOD => 400 "tenant_header";
    "two tenants": "PUT" PATH, &[("tenant", "t1"), ("tenant", "t2"), ("content-type", "application/json"), ("authorization", BASIC)], GOOD => 400 "tenant_header";
    "an unknown tenant": "PUT" PATH, &[("tenant", "T1"), ("content-type", "application/json"), ("authorization", BASIC)], GOOD => 404 "unknown_tenant";
    "no credentials": "PUT" PATH, &[("tenant", "t1"), ("content-type", "application/json")], GOOD => 401 "credentials_missing";
    "wrong credentials": "PUT" PATH, &[("tenant", "t1"), ("content-type", "application/json"), ("authorization", "Basic cGJ4Ondyb25n")], GOOD => 401 "credentials_wrong";
    "an unknown client": "PUT" PATH, &[("tenant", "t1"), ("content-type", "application/json"), ("authorization", "Basic bm9ib2R5OnNlY3JldA==")], GOOD => 401 "credentials_wrong";
    "two different credentials": "PUT" PATH, &[("tenant", "t1"), ("content-type", "application/json"), ("authorization", BASIC), ("authorization", "Basic cGJ4Ondyb25n")], GOOD => 401 "credentials_malformed";
    "no content type": "PUT" PATH, &[("tenant", "t1"), ("authorization", BASIC)], GOOD => 415 "content_type";
    "another content type": "PUT" PATH, &[("tenant", "t1"), ("content-type", "text/plain"), ("authorization", BASIC)], GOOD => 415 "content_type";
    "two content types": "PUT" PATH, &[("tenant", "t1"), ("content-type", "application/json"), ("content-type", "text/plain"), ("authorization", BASIC)], GOOD => 415 "content_type";
    "JSON with a suffix": "PUT" PATH, &[("tenant", "t1"), ("content-type", "application/json-seq"), ("authorization", BASIC)], GOOD => 415 "content_type";
    "no body": "PUT" PATH, HEADERS, b"" => 400 "body";
    "no JSON": "PUT" PATH, HEADERS, b"phonenumber=+46701740605" => 400 "body";
    "half the JSON": "PUT" PATH, HEADERS, br#"{"phonenumber":"+4670174"# => 400 "body";
    "two objects": "PUT" PATH, HEADERS, br#"{"phonenumber":"+46701740605"}{}"# => 400 "body";
    "an array": "PUT" PATH, HEADERS, br#"["+46701740605"]"# => 400 "body";
    "an array of an object": "PUT" PATH, HEADERS, br#"[{"phonenumber":"+46701740605"}]"# => 400 "body";
    "a string": "PUT" PATH, HEADERS, br#""+46701740605""# => 400 "body";
    "another member": "PUT" PATH, HEADERS, br#"{"phoneNumber":"+46701740605"}"# => 400 "body";
    "a number for a number": "PUT" PATH, HEADERS, br#"{"phonenumber":46701740605}"# => 400 "body";
    "null": "PUT" PATH, HEADERS, br#"{"phonenumber":null}"# => 400 "body";
    "a list of numbers": "PUT" PATH, HEADERS, br#"{"phonenumber":["+46701740605"]}"# => 400 "body";
    "a member twice": "PUT" PATH, HEADERS, br#"{"phonenumber":"+46701740605","phonenumber":"+46701740605"}"# => 400 "body";
    "a member twice, once escaped": "PUT" PATH, HEADERS, br#"{"phonenumber":"+46701740605","\u0070honenumber":"+46701740606"}"# => 400 "body";
    "a byte order mark": "PUT" PATH, HEADERS, b"\xef\xbb\xbf{\"phonenumber\":\"+46701740605\"}" => 400 "body";
    "invalid UTF-8": "PUT" PATH, HEADERS, b"{\"phonenumber\":\"+46701740605\",\"x\":\"\xff\"}" => 400 "body";
    "UTF-16": "PUT" PATH, HEADERS, b"\xff\xfe{\0}\0" => 400 "body";
    "a lone surrogate": "PUT" PATH, HEADERS, br#"{"phonenumber":"\ud800"}"# => 400 "body";
    "an unknown number": "PUT" PATH, HEADERS, br#"{"phonenumber":"+46701740699"}"# => 403 "number_unknown";
    "a disabled user's number": "PUT" PATH, HEADERS, br#"{"phonenumber":"+46701740607"}"# => 403 "number_unknown";
    "two users' number": "PUT" PATH, HEADERS, br#"{"phonenumber":"+46701740608"}"# => 403 "number_ambiguous";
    "a withheld number": "PUT" PATH, HEADERS, br#"{"phonenumber":"anonymous"}"# => 403 "number_withheld";
    "an empty number": "PUT" PATH, HEADERS, br#"{"phonenumber":""}"# => 403 "number_withheld";
    "a template": "PUT" PATH, HEADERS, br#"{"phonenumber":"${CALLERID(num)}"}"# => 403 "number_template";
    "a wildcard": "PUT" PATH, HEADERS, br#"{"phonenumber":"*"}"# => 403 "number_unreadable";
    "an injected filter": "PUT" PATH, HEADERS, br#"{"phonenumber":"*)(uid=*"}"# => 403 "number_unreadable";
    "NUL": "PUT" PATH, HEADERS, br#"{"phonenumber":"+46701740605\u0000"}"# => 403 "number_unreadable";
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        let mut request = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\n",
            self.method, self.path
        );
        for (name, value) in self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!(
            "Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.body.len()
        ));
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(self.body);
        bytes
    }
}

async fn every_case(stage: &Stage, status: impl Fn(&Case) -> u16) {
    for (index, case) in CASES.iter().enumerate() {
        let answer = wire::exchange(stage.address, &case.bytes(), Duration::from_secs(5)).await;
        let expected = status(case);
        let name = case.name;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{name}: {answer}"
        );
        assert!(
            answer.contains("cache-control: no-store\r\n"),
            "{name}: {answer}"
        );
        assert!(!answer.contains("\"otp\""), "{name}: {answer}");
        assert_eq!(stage.last_reason(index + 1).await, case.reason, "{name}");
        match expected {
            401 => assert!(
                answer.contains("www-authenticate: Basic realm="),
                "{name}: {answer}"
            ),
            405 => assert!(answer.contains("allow: PUT\r\n"), "{name}: {answer}"),
            _ => {}
        }
    }
    // None of it has done any harm.
    assert_eq!(stage.get_otp(ADA).await.status, 200);
}

#[tokio::test]
async fn as_documented_every_refusal_is_403() {
    every_case(&Stage::usual().await, |_| 403).await;
}

#[tokio::test]
async fn as_http_every_refusal_has_its_status() {
    let stage = Stage::set(Setting::server("refusals = \"http\"")).await;
    every_case(&stage, |case| case.status).await;
}

#[tokio::test]
async fn all_refusals_read_alike_but_for_the_request_id() {
    let stage = Stage::usual().await;
    let expected = json!({
        "type": "about:blank", "title": "The request was refused", "status": 403
    });
    for number in [
        NOBODY,
        "anonymous",
        "${CALLERID(num)}",
        "+46701740607",
        "+46701740608",
        "*",
    ] {
        let answer = stage.get_otp(number).await;
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.body_without_id(), expected, "{number}");
    }
    let answer = stage.validate("ada", "correct horse", "123456").await;
    assert_eq!(answer.body_without_id(), expected);
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    let id = body["request_id"].as_str().expect("an id");
    stage.last_reason(7).await;
    let log = stage.log();
    assert!(
        log.contains(&format!("\"id\":\"{id}\"")),
        "{id} is not in the log:\n{log}"
    );
}

#[tokio::test]
async fn what_phone_systems_and_proxies_do_is_accepted() {
    let stage = Stage::usual().await;
    let length = GOOD.len();
    let body = String::from_utf8_lossy(GOOD);
    let usual = format!("Authorization: {BASIC}\r\nContent-Length: {length}\r\n");
    let first = "PUT /api/authentication/getOTP HTTP/1.1\r\nHost: x\r\n";
    for (name, request) in [
        (
            "headers twice",
            format!(
                "{first}tenant: t1\r\ntenant: t1\r\nContent-Type: application/json\r\nContent-Type: application/json\r\nAuthorization: {BASIC}\r\n{usual}\r\n{body}"
            ),
        ),
        (
            "header names in any case",
            format!("{first}TENANT: t1\r\ncONTENT-tYPE: application/json\r\n{usual}\r\n{body}"),
        ),
        (
            "a charset",
            format!(
                "{first}tenant: t1\r\nContent-Type: Application/JSON; charset=utf-8\r\n{usual}\r\n{body}"
            ),
        ),
        (
            "the scheme in any case",
            format!(
                "{first}tenant: t1\r\nContent-Type: application/json\r\nAuthorization: bASIC cGJ4OnNlY3JldA==\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        ),
        (
            "credentials without padding",
            format!(
                "{first}tenant: t1\r\nContent-Type: application/json\r\nAuthorization: Basic cGJ4OnNlY3JldA\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        ),
        (
            "a trailing slash",
            format!(
                "PUT /api/authentication/getOTP/ HTTP/1.1\r\nHost: x\r\ntenant: t1\r\nContent-Type: application/json\r\n{usual}\r\n{body}"
            ),
        ),
        (
            "a query",
            format!(
                "PUT /api/authentication/getOTP?x=1 HTTP/1.1\r\nHost: x\r\ntenant: t1\r\nContent-Type: application/json\r\n{usual}\r\n{body}"
            ),
        ),
        (
            "HTTP/1.0",
            format!(
                "PUT /api/authentication/getOTP HTTP/1.0\r\ntenant: t1\r\nContent-Type: application/json\r\n{usual}\r\n{body}"
            ),
        ),
        (
            "chunks",
            format!(
                "{first}tenant: t1\r\nContent-Type: application/json\r\nAuthorization: {BASIC}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                &body[..5],
                length - 5,
                &body[5..]
            ),
        ),
        ("white space and further members", {
            let body = "\n { \"id\" : [1, {\"a\": null}] , \"phonenumber\" : \"+46701740605\", \"id\": 1e999 }\r\n";
            format!(
                "{first}tenant: t1\r\nContent-Type: application/json\r\nAuthorization: {BASIC}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }),
        ("an escaped member", {
            let body = "{\"\\u0070honenumber\":\"\\u002b46701740605\"}";
            format!(
                "{first}tenant: t1\r\nContent-Type: application/json\r\nAuthorization: {BASIC}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }),
    ] {
        stage.tick();
        let answer = wire::exchange(
            stage.address,
            request.as_bytes(),
            Duration::from_millis(300),
        )
        .await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") || answer.starts_with("HTTP/1.0 200 OK"),
            "{name}: {answer}"
        );
    }
}

#[tokio::test]
async fn post_is_served_where_it_is_accepted_and_nothing_else_is() {
    let stage = Stage::set(Setting::server("accept_post = true\nrefusals = \"http\"")).await;
    for (method, status) in [("PUT", 200), ("POST", 200), ("GET", 405), ("PATCH", 405)] {
        let case = Case { method, ..CASES[1] };
        let answer = wire::exchange(stage.address, &case.bytes(), Duration::from_secs(5)).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{method}: {answer}"
        );
    }
}

#[tokio::test]
async fn an_operation_outside_the_tenants_or_the_clients_list_gets_nothing() {
    let setting = Setting::server("refusals = \"http\"");
    let of_tenant = setting.toml().replace(
        "operations = [\"getOTP\", \"validate\", \"otp_token_auth\"]",
        "operations = [\"getOTP\"]",
    );
    let of_client = {
        let toml = setting.toml();
        let at = toml.find("[[tenant.client]]").expect("a client");
        let (before, after) = toml.split_at(at);
        before.to_owned()
            + &after.replace(
                "operations = [\"getOTP\", \"validate\", \"otp_token_auth\"]",
                "operations = [\"getOTP\"]",
            )
    };
    for (toml, status, reason) in [
        (of_tenant, 404, "operation_not_served"),
        (of_client, 403, "operation_not_allowed"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("people.ldif"), &setting.people).expect("written");
        let stage = Stage::in_folder(folder, &toml).await;
        let otp = stage.otp(ADA).await;
        let answer = stage.validate("ada", "correct horse", &otp).await;
        assert_eq!(
            (answer.status, stage.last_reason(2).await.as_str()),
            (status, reason)
        );
    }
}

#[tokio::test]
async fn a_client_may_call_from_its_addresses_only() {
    for (addresses, status) in [("10.0.0.0/8", 403), ("127.0.0.0/8", 200)] {
        let client = format!("addresses = [\"{addresses}\"]");
        let stage = Stage::set(Setting {
            client,
            ..Setting::default()
        })
        .await;
        assert_eq!(stage.get_otp(ADA).await.status, status, "{addresses}");
    }
}

#[tokio::test]
async fn a_request_says_once_whom_it_is_for() {
    let body = String::from_utf8_lossy(GOOD);
    let usual = format!(
        "tenant: t1\r\nContent-Type: application/json\r\nAuthorization: {BASIC}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let right = [
        ("1.1", "Host: callotp.example\r\n"),
        ("1.1", "Host: [::1]:8080\r\n"),
        ("1.1", "HOST: pbx_1:80\r\n"),
        ("1.1", "Host:\r\n"),
        ("1.0", ""),
        ("1.0", "Host: x\r\n"),
    ];
    let wrong = [
        ("1.1", ""),
        ("1.1", "Host: x\r\nHost: y\r\n"),
        ("1.1", "Host: x\r\nhost: x\r\n"),
        ("1.0", "Host: x\r\nHost: y\r\n"),
        ("1.1", "Host: x y\r\n"),
        ("1.1", "Host: x/y\r\n"),
        ("1.1", "Host: somebody@x\r\n"),
        ("1.1", "Host: \u{e4}\r\n"),
        ("1.1", "Host: x, y\r\n"),
    ];
    for (mode, refused) in [("documented", 403), ("http", 400)] {
        let stage = Stage::set(Setting::server(&format!("refusals = \"{mode}\""))).await;
        let cases = right.map(|case| (case, 200)).into_iter();
        let cases = cases.chain(wrong.map(|case| (case, refused)));
        for (index, ((version, host), status)) in cases.enumerate() {
            stage.tick();
            let request = format!("PUT {PATH} HTTP/{version}\r\n{host}{usual}");
            let answer =
                wire::exchange(stage.address, request.as_bytes(), Duration::from_secs(5)).await;
            let expected = format!(" {status} ");
            let told = answer.get(8..13);
            assert_eq!(
                told,
                Some(&*expected),
                "{mode} {version} {host:?}: {answer}"
            );
            let reason = if status == 200 { "" } else { "host" };
            assert_eq!(stage.last_reason(index + 1).await, reason, "{host:?}");
        }
    }
}

#[tokio::test]
async fn a_405_names_every_method_that_is_served() {
    for (lines, allowed, post) in [
        ("refusals = \"http\"", "PUT", 405),
        ("refusals = \"http\"\naccept_post = true", "PUT, POST", 200),
    ] {
        let stage = Stage::set(Setting::server(lines)).await;
        for (method, status) in [("PUT", 200), ("POST", post), ("GET", 405), ("PATCH", 405)] {
            stage.tick();
            let mut request = stage.request("getOTP", &json!({ "phonenumber": ADA }));
            let method = method.parse().expect("a method");
            request = {
                let mut built = request.build().expect("a request");
                *built.method_mut() = method;
                reqwest::RequestBuilder::from_parts(reqwest::Client::new(), built)
            };
            let answer = stage.send(request).await;
            assert_eq!(answer.status, status, "{answer:?}");
            let expected = (status == 405).then_some(allowed);
            assert_eq!(answer.header("allow"), expected, "{answer:?}");
        }
    }
}
