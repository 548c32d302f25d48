//! The exchange from outside: what its users rely on.

mod books;
mod conservation;
mod facts;
mod promise;
mod scenarios;
mod statistics;
mod steady;
