//! The Redis server of `--store redis`: the one that is installed, with a configuration and a
//! directory of the lab's own. It starts before the backends and stops after them.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::template::{Template, UnknownPlaceholder};

/// When the server syncs its log: what a machine that dies may lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sync {
    /// Before it answers: nothing
    Always,
    /// Once a second: a second or two
    Everysec,
    /// Whenever the system does: up to half a minute
    No,
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
            Self::No => "no",
        })
    }
}

/// What the server is started with.
pub(super) fn configuration(
    address: SocketAddr,
    dir: &Path,
    sync: Sync,
) -> Result<String, UnknownPlaceholder> {
    let template = Template::built_in(
        "loadtest/lab/redis.conf",
        include_str!("../../lab/redis.conf"),
    );
    template.fill(&[
        ("host", &address.ip().to_string()),
        ("port", &address.port().to_string()),
        ("dir", &dir.display().to_string()),
        ("sync", &sync.to_string()),
    ])
}

/// The first `redis-server` on the PATH.
pub(super) fn server() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&path).map(|dir| dir.join("redis-server"));
    places.into_iter().find(|place| place.is_file())
}

/// Whether it answers a PING; one that still reads its log does not.
pub(super) async fn answers(address: SocketAddr) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer == *b"+PONG")
    };
    let asked = tokio::time::timeout(ANSWER_MAX, asked).await;
    matches!(asked, Ok(Ok(true)))
}

const ANSWER_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_where_and_how_often_to_sync() {
        let address = "127.0.0.1:9379".parse().expect("an address");
        let text = configuration(address, Path::new("/lab/redis"), Sync::Everysec);
        let text = text.expect("every word is filled");
        for line in [
            "port 9379",
            "dir \"/lab/redis\"",
            "appendonly yes",
            "appendfsync everysec",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
    }
}
