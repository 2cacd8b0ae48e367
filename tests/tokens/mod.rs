//! Access tokens: whose are taken, whose are not, and what an issuer's troubles come to.

use crate::stage::{Answer, Stage, folder, with_clients};

mod grants;
mod jwt;
mod keys;
mod opaque;

const HTTP: &str = "refusals = \"http\"";

async fn stage(server: &str, clients: &str) -> Stage {
    Stage::in_folder(folder(), &with_clients(server, clients)).await
}

async fn call(stage: &Stage, token: &str) -> Answer {
    let header = format!("Bearer {token}");
    let plain = reqwest::Client::new();
    stage
        .call(&plain, "http", &[("authorization", &header)])
        .await
}
