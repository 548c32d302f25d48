//! Does it accept a connection?

use std::net::SocketAddr;
use std::sync::LazyLock;

use holdfast_core::health::Readiness;
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::{HealthCheck, TcpHealthCheck};

use super::Failure;

pub(super) async fn ask(address: SocketAddr) -> Result<Readiness, Failure> {
    let backend = Backend {
        addr: address.into(),
        weight: 1,
        ext: http::Extensions::new(),
    };
    CHECK.check(&backend).await.map_err(Failure::Refused)?;
    Ok(Readiness::default())
}

/// One for all endpoints: it holds a connector, and no state of any of them.
static CHECK: LazyLock<Box<TcpHealthCheck>> = LazyLock::new(|| {
    let mut check = TcpHealthCheck::new();
    // the probe's own timeout is the bound
    check.peer_template.options.connection_timeout = None;
    check
});
