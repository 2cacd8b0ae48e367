//! Which client a token is, what it may ask for, and what is asked of those who have none.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::json;

use super::{HTTP, call, stage};
use crate::stage::{
    ADA, HASH, client,
    issuer::{IssuerServer, SigningKey},
};

#[tokio::test]
async fn what_is_asked_for_says_which_schemes_there_are() {
    let key = SigningKey::new("k", Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let bearer = format!("bearer = {}", issuer.bearer());
    let basic = format!(
        "basic = {{ username = \"pbx\", password_hash = \"{}\" }}",
        HASH
    );
    for (credentials, challenges) in [
        (bearer.clone(), vec!["Bearer realm=\"callotp\""]),
        (
            basic.clone(),
            vec!["Basic realm=\"callotp\", charset=\"UTF-8\""],
        ),
        (
            format!("{basic}\n{bearer}"),
            vec![
                "Basic realm=\"callotp\", charset=\"UTF-8\"",
                "Bearer realm=\"callotp\"",
            ],
        ),
    ] {
        let stage = stage(HTTP, &client("pbx", &credentials)).await;
        let plain = reqwest::Client::new();
        for wrong in [
            &[][..],
            &[("authorization", "Digest x")],
            &[("authorization", "Bearer")],
        ] {
            let answer = stage.call(&plain, "http", wrong).await;
            let told: Vec<&str> = answer
                .headers
                .iter()
                .filter(|(name, _)| name == "www-authenticate")
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!((answer.status, &told), (401, &challenges), "{wrong:?}");
        }
        // A token in the query or in the body is none (RFC 6750 §2.2 and §2.3 are not served).
        let token = key.token(&issuer.name(), &json!({}));
        let query = stage.request(
            &format!("getOTP?access_token={token}"),
            &json!({ "phonenumber": ADA }),
        );
        let mut query = query.build().expect("a request");
        query.headers_mut().remove("authorization");
        assert_eq!(plain.execute(query).await.expect("an answer").status(), 401);
    }
}

#[tokio::test]
async fn a_scope_may_stand_for_an_operation_and_a_client_for_a_subject() {
    let key = SigningKey::new("k", Algorithm::ES256);
    let issuer = IssuerServer::start(&[&key]).await;
    let name = issuer.name();
    let bearer = |more: &str| {
        format!(
            "bearer = {{ issuer = \"{name}\", audience = \"callotp\", jwks_url = \"{name}/jwks\", {more} }}"
        )
    };
    let one = |name: &str, operation: &str, more: &str| {
        format!(
            "[[tenant.client]]\nname = \"{name}\"\noperations = [\"{operation}\"]\n{}\n",
            bearer(more)
        )
    };
    let clients = one("login", "validate", "scope = \"otp.validate\"")
        + &one(
            "phones",
            "getOTP",
            "scope = \"otp.issue\", client = \"pbx\"",
        );
    let stage = stage(HTTP, &clients).await;
    for (claims, issue, validate) in [
        (json!({ "scope": "otp.issue" }), 200, 403),
        (json!({ "scope": "otp.validate" }), 403, 200),
        (json!({ "scope": "otp.validate otp.issue" }), 200, 200),
        (
            json!({ "scope": "otp.issue", "sub": "x", "client_id": "x", "azp": "pbx" }),
            200,
            403,
        ),
        (
            json!({ "scope": "otp.issue", "sub": "x", "client_id": "x" }),
            403,
            403,
        ),
    ] {
        stage.clock.advance(Duration::from_secs(1));
        let otp = call(&stage, &key.token(&name, &json!({ "scope": "otp.issue" })))
            .await
            .otp();
        let token = format!("Bearer {}", key.token(&name, &claims));
        let login = json!({ "username": "ada", "password": "correct horse", "otp": otp });
        let request = stage.request("validate", &login);
        let mut request = request.build().expect("a request");
        request
            .headers_mut()
            .insert("authorization", token.parse().expect("a header"));
        let validated = reqwest::Client::new()
            .execute(request)
            .await
            .expect("an answer");
        let issued = call(&stage, token.trim_start_matches("Bearer "))
            .await
            .status;
        assert_eq!(
            (issued, validated.status().as_u16()),
            (issue, validate),
            "{claims}"
        );
    }
}
