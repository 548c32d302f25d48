//! The websocket relay.

use std::sync::Arc;

use pingora_proxy::Session;

use super::{Admitted, Relayed, Shared};

pub(super) async fn open(
    _shared: &Arc<Shared>,
    session: &mut Session,
    _admitted: Admitted,
) -> pingora_core::Result<Relayed> {
    session.respond_error(501).await?;
    Ok(Relayed::Answered(501))
}
