//! HTTP/2: many calls on one connection, and its end.

use std::time::Duration;

use super::{AUTHORIZED, TLS, http, in_folder, stage};
use crate::stage::{
    Setting, Stage, authority::Authority, caller, client, crowd, issuer::IssuerServer, with_clients,
};

#[tokio::test]
async fn many_requests_at_once_share_an_http_2_connection() {
    let ours = Authority::new("ours");
    let folder = crowd();
    in_folder(&folder, &ours);
    let stage = Stage::in_folder(folder, &Setting::server(TLS).toml()).await;
    let http = http(&ours).build().expect("a client");
    // One first, so that the rest need not each open a connection.
    assert_eq!(
        stage
            .call_from(&caller(94), &http, "https", AUTHORIZED)
            .await
            .status,
        200
    );
    let numbers: Vec<String> = (0..90).map(caller).collect();
    let calls = numbers
        .iter()
        .map(|number| stage.call_from(number, &http, "https", AUTHORIZED));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn told_to_stop_an_http_2_connection_is_finished() {
    let ours = Authority::new("ours");
    // So long that it is certain what has not waited for its end, on however busy a machine.
    let stage = stage(&ours, "shutdown_grace = \"10m\"\n").await;
    let http = http(&ours).build().expect("a client");
    assert_eq!(stage.call(&http, "https", AUTHORIZED).await.status, 200);
    let ended = tokio::time::timeout(Duration::from_secs(120), stage.end()).await;
    ended.expect("an end before that of the grace time");
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_calls_in_flight_on_http_2_are_answered() {
    let issuer = IssuerServer::start(&[]).await;
    issuer.change(|answers| {
        answers.introspection = serde_json::json!({ "active": true });
        answers.delay = Duration::from_millis(500);
    });
    let name = issuer.name();
    let bearer = format!(
        "bearer = {{ issuer = \"{name}\", introspection_url = \"{name}/introspect\", \
         client_id = \"a\", client_secret = \"b\" }}"
    );
    let ours = Authority::new("ours");
    let folder = crowd();
    in_folder(&folder, &ours);
    let server = format!("shutdown_grace = \"10m\"\n{TLS}");
    let toml = with_clients(&server, &client("pbx", &bearer));
    let stage = Stage::in_folder(folder, &toml).await;
    let clients: Vec<reqwest::Client> = (0..4)
        .map(|_| http(&ours).build().expect("a client"))
        .collect();
    let calls = (0..12).map(|index| {
        let (stage, clients) = (&stage, &clients);
        async move {
            let token = format!("Bearer token-{index}");
            let headers = [("authorization", token.as_str())];
            let http = &clients[index % clients.len()];
            stage
                .call_from(&caller(index), http, "https", &headers)
                .await
        }
    });
    let stopping = async {
        // Once all of them have come as far as the issuer.
        while issuer.asked("/introspect").await.len() < 12 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stage.trigger.drain();
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), stopping);
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let ended = tokio::time::timeout(Duration::from_secs(120), stage.end()).await;
    ended.expect("an end before that of the grace time");
}
