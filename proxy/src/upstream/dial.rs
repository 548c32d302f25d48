//! One dial of our own.

/// Opens connections to endpoints.
#[derive(Clone, Debug)]
pub struct Dialler {
    /// How long a connection may take to be opened.
    pub connect: std::time::Duration,
}
