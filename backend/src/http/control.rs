//! What proxies of the cluster tell this endpoint.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::routing::{MethodRouter, post};
use holdfast_proto::error::Code;

use crate::app::Backend;
use crate::failure::Failure;
use crate::health::Readiness;
use crate::identity::Peer;

/// `POST /holdfast/drain`: it says in its readiness that it leaves, and lets its sessions go.
pub(super) fn drain() -> MethodRouter<Arc<Backend>> {
    post(|backend, peer| set(backend, peer, true))
}

/// `POST /holdfast/ready`: it stays after all.
pub(super) fn ready() -> MethodRouter<Arc<Backend>> {
    post(|backend, peer| set(backend, peer, false))
}

async fn set(
    State(backend): State<Arc<Backend>>,
    Extension(peer): Extension<Peer>,
    draining: bool,
) -> Result<Json<Readiness>, Failure> {
    if peer != Peer::Trusted {
        let detail = "only proxies that know the cluster's key may say so";
        return Err(Failure::new(Code::Forbidden, detail));
    }
    backend.set_draining(draining).await;
    Ok(Json(backend.readiness()))
}
