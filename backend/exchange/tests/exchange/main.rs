//! The exchange from outside: what its users rely on.

mod books;
mod conservation;
mod promise;
