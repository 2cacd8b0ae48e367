//! A verdict per clause of the getOTP contract, with evidence, on any deployment.

pub mod catalogue;
pub mod contract;
