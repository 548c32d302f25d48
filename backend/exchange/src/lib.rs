//! the exchange simulator, pure and deterministic
