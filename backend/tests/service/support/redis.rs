//! A Redis server of a test's own, and a wire to it that can be cut.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::time::interval;

use super::folder::Folder;
use super::soon;

/// Listens on a socket in the folder alone, and syncs every write before it answers.
pub(crate) struct Redis {
    process: Child,
    socket: PathBuf,
}

impl Redis {
    pub(crate) async fn start(folder: &Folder) -> Self {
        let socket = folder.path().join("redis.sock");
        let process = Command::new("redis-server")
            .current_dir(folder.path())
            .args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--maxmemory-policy", "noeviction"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is missing: `make test` installs it");
        let redis = Self { process, socket };
        let answering = async {
            let mut ticks = interval(Duration::from_millis(5));
            while UnixStream::connect(&redis.socket).await.is_err() {
                ticks.tick().await;
            }
        };
        soon(answering).await;
        redis
    }

    /// As backends are told of it.
    pub(crate) fn store(&self) -> String {
        let url = format!("unix://{}", self.socket.display());
        format!("store: {{ redis: {{ url: \"{url}\" }} }}")
    }

    /// The journal of a session: under which generation each record was written.
    pub(crate) async fn generations(&self, session: &str) -> Vec<u64> {
        let client = redis::Client::open(format!("unix://{}", self.socket.display()));
        let client = client.expect("an address");
        let connection = client.get_multiplexed_async_connection();
        let mut connection = soon(connection).await.expect("it answers");
        let mut read = redis::cmd("LRANGE");
        read.arg(format!("holdfast:{{{session}}}:journal"));
        let read = read.arg(0).arg(-1).query_async(&mut connection);
        let records: Vec<Vec<u8>> = soon(read).await.expect("a journal");
        let generation = |record: &Vec<u8>| {
            // a version byte, then JSON
            let record: serde_json::Value = serde_json::from_slice(&record[1..]).expect("JSON");
            record["generation"].as_u64().expect("a number")
        };
        records.iter().map(generation).collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Between one backend and the server.
pub(crate) struct Wire {
    address: SocketAddr,
    whole: Arc<watch::Sender<bool>>,
}

impl Wire {
    pub(crate) async fn to(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let whole = Arc::new(watch::Sender::new(true));
        let (socket, state) = (redis.socket.clone(), Arc::clone(&whole));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // whoever comes while it is cut is cut off at once
                if *state.borrow() {
                    tokio::spawn(carry(stream, socket.clone(), state.subscribe()));
                }
            }
        });
        Self { address, whole }
    }

    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }

    /// As the backend is told of it.
    pub(crate) fn store(&self) -> String {
        let address = self.address;
        format!("store: {{ redis: {{ url: \"redis://{address}\" }} }}")
    }
}

async fn carry(mut stream: TcpStream, socket: PathBuf, mut whole: watch::Receiver<bool>) {
    let Ok(mut server) = UnixStream::connect(socket).await else {
        return;
    };
    tokio::select! {
        // either end has gone
        _ = copy_bidirectional(&mut stream, &mut server) => {}
        _ = whole.wait_for(|whole| !whole) => {}
    }
}
