//! sessions behind REST, WebSocket, SSE and gRPC

pub mod handoff;
pub mod sessions;
pub mod store;
