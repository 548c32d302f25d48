//! Builders for the three sides of a case.

pub(crate) mod client;
pub(crate) mod endpoint;
pub(crate) mod process;
pub(crate) mod proxy;
