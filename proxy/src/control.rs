//! The single writer: what the world tells goes in, what the core commands is done.
//!
//! The data plane and this plane never call each other. Down goes a snapshot
//! ([`Snapshots`]) and orders to move or close ([`Orders`]); up goes a bounded channel of
//! outcomes ([`Outcomes`]), which drops and counts when it is full.

pub mod outcomes;
pub mod publish;

use holdfast_core::control::{Cause, Count};
use holdfast_core::{ClusterName, EndpointId};
pub use outcomes::Outcomes;
pub use publish::Snapshots;

/// Who carries out orders about open connections: the relays' registry.
pub trait Orders: Send + Sync + 'static {
    /// Move connections of an endpoint elsewhere, idle ones first. Must not block.
    fn move_connections(
        &self,
        cluster: &ClusterName,
        endpoint: &EndpointId,
        count: Count,
        cause: Cause,
    );

    /// Close connections of an endpoint in good manners, idle ones first, and remember their
    /// keys ([`Load::tell`](holdfast_core::cluster::Load::tell)). Must not block.
    fn close_connections(
        &self,
        cluster: &ClusterName,
        endpoint: &EndpointId,
        count: Count,
        cause: Cause,
    );
}
