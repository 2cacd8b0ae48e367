//! The server's own TLS: who gets in, what is cut off, and how certificates are exchanged.

use std::fs;

use tempfile::TempDir;

use crate::stage::{
    BASIC, Setting, Stage,
    authority::{Authority, Wish},
    folder,
};

mod deadlines;
mod files;
mod foreign;
mod http_2;
mod rotation;

const TLS: &str = "[server.tls]\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\n";

const AUTHORIZED: &[(&str, &str)] = &[("authorization", BASIC)];

fn in_folder(folder: &TempDir, ours: &Authority) {
    ours.issue(&Wish::server()).write(folder.path(), "server");
    fs::write(folder.path().join("ours.pem"), &ours.pem).expect("written");
}

async fn stage(ours: &Authority, server: &str) -> Stage {
    let folder = folder();
    in_folder(&folder, ours);
    Stage::in_folder(folder, &Setting::server(&format!("{server}{TLS}")).toml()).await
}

fn http(ours: &Authority) -> reqwest::ClientBuilder {
    let root = reqwest::Certificate::from_pem(ours.pem.as_bytes()).expect("a certificate");
    reqwest::Client::builder().tls_certs_only([root])
}
