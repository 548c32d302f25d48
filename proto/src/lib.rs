//! The only contract between processes: the `.proto` files below `holdfast/`, the code generated
//! from them, and the one list of error codes that every transport shares.
//!
//! - [`session::v1`]: sessions, their simulators, and the handoff of a session between backends.
//! - [`exchange::v1`]: orders, books, positions and market data of one session, and what a front
//!   asks of the backend that runs it.
//! - [`token::v1`]: judging tokens.
//! - [`error`]: the codes, mapped once to HTTP and once to gRPC.

#![allow(
    clippy::allow_attributes_without_reason,
    reason = "the generated code relaxes lints without saying why"
)]

pub mod error;

/// Sessions and their handoff.
pub mod session {
    /// Version 1.
    #[allow(
        clippy::all,
        clippy::use_self,
        unused_qualifications,
        reason = "generated code"
    )]
    pub mod v1 {
        tonic::include_proto!("holdfast.session.v1");
    }
}

/// The simulated exchange of one session.
pub mod exchange {
    /// Version 1.
    #[allow(
        clippy::all,
        clippy::use_self,
        unused_qualifications,
        reason = "generated code"
    )]
    pub mod v1 {
        tonic::include_proto!("holdfast.exchange.v1");
    }
}

/// Tokens.
pub mod token {
    /// Version 1.
    #[allow(
        clippy::all,
        clippy::use_self,
        unused_qualifications,
        reason = "generated code"
    )]
    pub mod v1 {
        tonic::include_proto!("holdfast.token.v1");
    }
}

/// All of the above as a `FileDescriptorSet` with comments, for the reflection service.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/holdfast.binpb"));
