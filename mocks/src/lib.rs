//! A world for phone systems and directories: an endpoint that judges its caller,
//! an LDAP directory on a real socket, a simulated phone system. Not for production.
//!
//! One call: `endpoint::listen` accepts, `endpoint::request` reads the bytes, the
//! `endpoint::judge` looks at them, `endpoint::plan` decides on an answer (a fault that was
//! asked for, a magic number, or the person in the `world` whose number it is),
//! `endpoint::render` gives it a form, the `journal` keeps both, and `endpoint::wire` plays
//! it out. Whoever asks afterwards asks the `admin` port, or looks at the `dashboard`.

mod admin;
pub mod authority;
pub mod cli;
pub mod clock;
mod concealed;
mod dashboard;
mod endpoint;
mod heard;
pub mod journal;
pub mod ldap;
mod magic;
mod mock;
pub mod number;
pub mod pbx;
pub mod people;
pub mod readiness;
pub mod relay;
pub mod scenario;
mod world;

pub use mock::{Mock, MockBuilder, MockError, Unmet};
