//! How the processes read their YAML: values with units, secrets that stand elsewhere, and errors
//! that name file, line, column, path and what would be right. What the keys are and mean is each
//! process's own.

pub mod error;
pub mod position;
pub mod secret;
pub mod unit;

pub use error::{ConfigError, Problem};
pub use position::{Position, Positions};
pub use secret::{Secret, SecretBytes};
