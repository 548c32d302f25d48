//! The backend over real sockets, with a real store in a file: one binary.

mod complete;
mod contract;
mod events;
mod fronts;
mod grpc;
mod health;
mod http;
mod ledger;
mod order_types;
mod outcomes;
mod owners;
mod processes;
mod schemas;
mod sessions;
mod slow;
mod support;
mod tokens;
mod trade;
mod websocket;
