//! One-time passwords by phone call.
//!
//! A person calls the company phone system. The phone system sends the calling number here,
//! the user who has that number gets a one-time password, and the phone system speaks it.
//! The person logs in with name, password and that code, and both are checked here.
//!
//! # How one call goes
//!
//! [`server`] accepts the connection and keeps watch over it. [`http`] gives the request an
//! id and finds out which operation it is for. [`client_auth`] says which client is calling.
//! `http::get_otp` reads the number into a [`phone_number`], and [`otp::issue`] asks the
//! [`directory`] who has it, draws an OTP and binds it in the [`otp::store`]. `http` writes
//! the 200; anything else becomes the one refusal in `http::refusal`. Either way one log
//! line goes out. `validate` takes the same road to [`otp::validate`]. Five rooms, no way back.
//!
//! # The floors
//!
//! Imports point down only; a test holds that.
//!
//! | floor | rooms |
//! |---|---|
//! | 5 | `main`, [`cli`], [`check`], [`doctor`], [`app`], [`config`], [`telemetry`], [`shutdown`] |
//! | 4 | [`server`], [`tls`], [`admin`] |
//! | 3 | [`http`] |
//! | 2 | [`client_auth`], the directory's adapters, the store's engines |
//! | 1 | [`otp`]'s use cases and the ports [`directory::UserDirectory`] and [`otp::store::OtpStore`] |
//! | 0 | the words: [`phone_number`], [`tenant`], [`user`], [`secret`], [`password_hash`], [`clock`] |

// 5
pub mod app;
pub mod check;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod explain;
pub mod phones;
pub mod shutdown;
pub mod telemetry;
// 4
pub mod admin;
pub mod server;
pub mod tls;
// 3
pub mod http;
// 2 and 1
pub mod client_auth;
pub mod directory;
pub mod otp;
// 0
pub mod clock;
pub mod finding;
pub mod locks;
pub mod password_hash;
pub mod phone_number;
pub mod secret;
pub mod tenant;
pub mod user;
