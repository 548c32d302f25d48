//! The backend: sessions and their simulated exchanges behind REST, WebSocket, event streams and
//! gRPC, all on one port.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`config`] | what may this process do |
//! | [`app`] | how do the parts hang together |
//! | [`listener`] | who connects |
//! | [`identity`] | whose word counts |
//! | [`http`] [`service`] | what is asked, by REST, live streams and gRPC; they only translate |
//! | [`failure`] | what is told when something is not done |
//! | [`quota`] | how much may one user hold open |
//! | [`token`] | who is somebody |
//! | [`exchanges`] | do sessions run in this process, or behind an address |
//! | [`sessions`] | which sessions run here, and what do they say |
//! | [`front`] | how are they asked that run elsewhere |
//! | [`handoff`] | how does a session come from another endpoint |
//! | [`store`] | what outlives the process |
//! | [`ledger`] | what must last |
//! | [`health`] [`metrics`] | how is it |
//! | [`drain`] | how does it leave |
//! | [`clock`] [`random`] | the only places that ask the time, and chance |

pub mod app;
pub mod clock;
mod commands;
pub mod config;
pub mod drain;
pub mod exchanges;
pub mod failure;
pub mod front;
pub mod handoff;
pub mod health;
pub mod http;
pub mod identity;
pub mod ledger;
pub mod listener;
pub mod metrics;
pub mod quota;
pub mod random;
pub mod service;
pub mod sessions;
pub mod store;
pub mod token;
