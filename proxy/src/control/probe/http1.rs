//! One HTTP/1.1 exchange on a connection of its own.

use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::Failure;

/// A connection to an endpoint; dropping it closes it.
pub(in crate::control) struct Connection<B> {
    sender: http1::SendRequest<B>,
    driver: AbortHandle,
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    pub(in crate::control) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(Failure::Connect)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_MAX)
            .handshake::<_, B>(TokioIo::new(stream))
            .await?;
        // Errors of the connection come out of the exchange too.
        let driver = tokio::spawn(connection.with_upgrades()).abort_handle();
        Ok(Self { sender, driver })
    }

    pub(in crate::control) async fn send(
        &mut self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, Failure> {
        Ok(self.sender.send_request(request).await?)
    }
}

impl<B> Drop for Connection<B> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Bytes of an answer's head; hyper wants at least 8 KiB.
const HEAD_MAX: usize = 16 << 10;
