//! One user's session, as values: who may own it, what has been accepted from
//! its connections, what was journaled, what was emitted, and how a reader is
//! brought to the place where it was. Nothing here waits, reads a clock, draws
//! a random number or touches a socket: time and randomness are arguments, so
//! the backend and the simulation run the very same code.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`id`] | what do we call sessions, connections, clients and log entries |
//! | [`message`] | what may a client say, and what is it answered |
//! | [`view`] | what does a session look like in JSON |
//! | [`trail`] | what of it is to last, in the ledger |

pub mod clients;
pub mod connections;
pub mod engine;
pub mod id;
pub mod journal;
pub mod log;
pub mod message;
pub mod ownership;
pub mod reader;
pub mod subscription;
pub mod terms;
pub mod trail;
pub mod view;
