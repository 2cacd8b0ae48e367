//! One-time passwords by phone call.

pub mod client_auth;
pub mod clock;
pub mod config;
pub mod directory;
pub mod http;
pub mod otp;
pub mod password_hash;
pub mod phone_number;
pub mod secret;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod tenant;
pub mod tls;
pub mod user;
