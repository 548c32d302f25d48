//! Third-party servers behind the edge.
