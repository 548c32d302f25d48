//! Builders for the three sides of a case.

pub mod client;
pub mod endpoint;
pub mod proxy;
