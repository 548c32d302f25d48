//! `bench`
pub mod origin;
use tokio_util::sync::CancellationToken;
/// Flags
#[derive(Debug, Clone, clap::Args)]
pub struct Options {}
pub async fn run(_: Options, _: CancellationToken) -> std::io::Result<()> {
    Ok(())
}
