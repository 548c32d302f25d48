//! Who is connected to whom.

/// All open connections.
#[derive(Clone, Debug, Default)]
pub struct Registry;
