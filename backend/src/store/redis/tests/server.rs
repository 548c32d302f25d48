//! A Redis server of a test's own, in a directory that goes with it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::store::redis::{Options, RedisStore};

/// Listens on a socket in its directory alone, and syncs every write before it answers.
pub(crate) struct Server {
    folder: PathBuf,
    process: Child,
}

impl Server {
    pub(crate) fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hf-redis-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a directory");
        let process = run(&folder);
        Self { folder, process }
    }

    /// Without a chance to write anything more.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("a process of ours");
        self.process.wait().expect("its end");
    }

    /// What is on its disk now; for [`Self::lose_since`].
    pub(crate) fn remember(&self) {
        copy(&self.folder.join(LOG), &self.folder.join("remembered"));
    }

    /// Dies, and comes back as of then: what was written later never reached the disk.
    pub(crate) fn lose_since(&mut self) {
        self.kill();
        let log = self.folder.join(LOG);
        std::fs::remove_dir_all(&log).expect("its log");
        copy(&self.folder.join("remembered"), &log);
        self.start_again();
    }

    pub(crate) fn start_again(&mut self) {
        self.process = run(&self.folder);
    }

    pub(crate) fn options(&self, timeout: Duration) -> Options {
        let url = format!("unix://{}", self.folder.join("redis.sock").display());
        Options {
            address: url.parse().expect("an address"),
            prefix: "test".into(),
            timeout,
        }
    }

    pub(crate) fn store(&self) -> Arc<RedisStore> {
        let options = self.options(Duration::from_secs(5));
        Arc::new(RedisStore::new(&options).expect("a store"))
    }

    /// Says something to the server that no store says.
    pub(crate) fn say(&self, words: &[&str]) {
        let url = format!("unix://{}", self.folder.join("redis.sock").display());
        let client = redis::Client::open(url).expect("an address");
        let mut connection = client.get_connection().expect("a connection");
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let _: redis::Value = command.query(&mut connection).expect("done");
    }
}

/// The directory of its append-only log.
const LOG: &str = "appendonlydir";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for file in std::fs::read_dir(from).expect("a directory") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have been killed by the test
        drop(self.process.kill());
        drop(self.process.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn run(folder: &PathBuf) -> Child {
    let mut command = Command::new("redis-server");
    command.current_dir(folder).stdout(Stdio::piped());
    command.args(["--port", "0", "--unixsocket", "redis.sock", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "always"]);
    let spawned = command.spawn();
    let mut process = spawned.expect("redis-server is missing: `make test` installs it");
    let log = process.stdout.take().expect("piped");
    let (told, ready) = channel();
    std::thread::spawn(move || {
        // read to its end, so that the server is never stopped by a full pipe
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            // nobody listens after the first time
            drop(told.send(line));
        }
    });
    wait_until_ready(&ready);
    process
}

fn wait_until_ready(log: &Receiver<String>) {
    const PATIENCE: Duration = Duration::from_secs(30);
    let mut lines = Vec::new();
    while let Ok(line) = log.recv_timeout(PATIENCE) {
        // 7.0 says it per listener, older ones once
        if line.contains("eady to accept connections") {
            return;
        }
        lines.push(line);
    }
    panic!("redis-server is not ready: {lines:#?}");
}
