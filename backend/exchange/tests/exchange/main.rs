//! The exchange from outside: what its users rely on.

mod promise;
