//! The edge over real sockets: a proxy in this process, endpoints that do as they are told, and
//! clients that send exactly the bytes of a case. Nothing sleeps; everything waits for an event.

mod support;

mod affinity;
mod failure;
mod framing;
mod grpc;
mod health;
mod identity;
mod limits;
mod parsers;
mod reload;
mod shutdown;
mod streams;
mod upgrade;
mod who;
