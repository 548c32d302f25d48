//! Does it accept a connection?

use std::net::SocketAddr;

use holdfast_core::health::Readiness;
use tokio::net::TcpStream;

use super::Failure;

pub(super) async fn ask(address: SocketAddr) -> Result<Readiness, Failure> {
    TcpStream::connect(address)
        .await
        .map_err(Failure::Connect)?;
    Ok(Readiness::default())
}
