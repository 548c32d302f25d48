//! Clients of a whole edge.
