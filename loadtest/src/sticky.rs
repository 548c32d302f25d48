//! `sticky-app`: what people put behind a sticky load balancer.
//!
//! A shop whose baskets live in the memory of one process, knowing nothing of Holdfast. A client
//! that is sent to another process finds an empty basket, and sees it: every answer names the
//! process and the count, and says whether the basket had to be made anew.
//!
//! The paths work under any prefix, because the demonstration mounts the same processes twice,
//! with affinity and without. A client is known by the application's own cookie, or by `client`
//! in the query, so that one page can be several clients.

mod basket;
mod http;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Instant;
use basket::Baskets;

/// Flags of `holdfast-loadtest sticky-app`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Address and port
    #[arg(long)]
    listen: SocketAddr,
    /// The name of this process in its answers
    #[arg(long)]
    id: String,
}

/// Serves until `stop`; connections are cut then, and the baskets are gone.
pub async fn run(options: Options, stop: CancellationToken) -> io::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let routes = http::routes(options.id, Baskets::new(Instant::now()));
    stop.run_until_cancelled(axum::serve(listener, routes).into_future())
        .await
        .unwrap_or(Ok(()))
}
