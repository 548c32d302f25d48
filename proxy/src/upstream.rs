//! The way to an endpoint, where it is not Pingora's own.

pub mod body;
pub mod dial;
pub mod sanitize;
