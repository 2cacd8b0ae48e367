//! What must never be written down: planted, and looked for in everything that is.

use serde_json::json;

use crate::stage::{ADA, BO, Setting, Stage};

/// Passwords that appear nowhere else.
const PASSWORD: &str = "Zq7-planted-password";
const CLIENT: &str = "Basic cGJ4OldycTktcGxhbnRlZC1zZWNyZXQ=";

#[tokio::test]
async fn no_otp_password_credential_or_whole_number_is_logged_counted_or_told() {
    for server in ["refusals = \"documented\"", "refusals = \"http\""] {
        let stage = Stage::set(Setting::server(server)).await;
        let mut planted: Vec<String> = [
            PASSWORD,
            "planted",
            "cGJ4OldycTktcGxhbnRlZC1zZWNyZXQ",
            "correct horse",
            "c2VjcmV0",
        ]
        .map(str::to_owned)
        .to_vec();
        for number in [ADA, BO, "+46701740608", "070-174 06 99", "+46701740607"] {
            planted.extend(number.get(3..).map(str::to_owned));
            planted.extend(stage.get_otp(number).await.otp());
        }
        let otp = stage.otp(ADA).await;
        planted.push(otp.clone());
        stage.validate("ada", PASSWORD, &otp).await;
        stage.validate("ada", "correct horse", "918273").await;
        stage.validate("ada", "correct horse", &otp).await;
        planted.push("918273".to_owned());
        let body = json!({ "phonenumber": ADA }).to_string();
        let foreign = stage
            .request("getOTP", &json!({}))
            .header("authorization", CLIENT);
        stage.send(foreign.body(body)).await;
        let broken = stage
            .request("validate", &json!({}))
            .body(format!("{{\"{PASSWORD}\":"));
        stage.send(broken).await;
        let path = format!("getOTP?{PASSWORD}");
        stage
            .send(stage.request(&path, &json!({ "phonenumber": "x" })))
            .await;
        stage.send(stage.request(PASSWORD, &json!({}))).await;
        let metrics = stage.admin("/metrics").await.body;
        let ready = stage.admin("/readyz").await.body;
        let log = stage.end().await;
        assert!(log.lines().count() >= 10, "{log}");
        for secret in planted {
            // Four digits would be found in a request id now and then.
            assert!(secret.len() >= 6, "{secret}");
            for (name, text) in [("log", &log), ("metrics", &metrics), ("readyz", &ready)] {
                let hits: Vec<&str> = text
                    .lines()
                    .filter(|line| without_ids(line).contains(&secret))
                    .collect();
                assert!(
                    hits.is_empty(),
                    "{secret} is in the {name}:\n{}",
                    hits.join("\n")
                );
            }
        }
    }
}

/// A line without its time and its request id, in which any six digits may turn up.
fn without_ids(line: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(line) {
        Ok(serde_json::Value::Object(mut fields)) => {
            fields.remove("id");
            fields.remove("time");
            fields.remove("microseconds");
            serde_json::Value::Object(fields).to_string()
        }
        _ => line.to_owned(),
    }
}
