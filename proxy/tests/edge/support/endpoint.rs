//! An endpoint in this process that answers by a script and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// What an endpoint answers to a request head.
pub(crate) type Script = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A running endpoint; dropping it ends it like a crash.
pub(crate) struct Endpoint {
    pub(crate) id: String,
    pub(crate) address: SocketAddr,
    accepting: JoinHandle<()>,
    heads: Mutex<mpsc::UnboundedReceiver<String>>,
    served: Arc<AtomicUsize>,
    connections: Arc<std::sync::Mutex<Vec<JoinHandle<()>>>>,
}

impl Endpoint {
    /// Says its id to everything.
    pub(crate) async fn start(id: &str) -> Self {
        let body = id.to_owned();
        Self::scripted(id, Arc::new(move |_| ok(&body))).await
    }

    pub(crate) async fn scripted(id: &str, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (sender, heads) = mpsc::unbounded_channel();
        let served = Arc::new(AtomicUsize::new(0));
        let connections: Arc<std::sync::Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let (count, open) = (served.clone(), connections.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, sender, count) = (script.clone(), sender.clone(), count.clone());
                let task = tokio::spawn(serve(stream, script, sender, count));
                open.lock().expect("no panic").push(task);
            }
        });
        let id = id.to_owned();
        Self {
            id,
            address,
            accepting,
            heads: Mutex::new(heads),
            served,
            connections,
        }
    }

    /// The head of the next request that reached it.
    pub(crate) async fn head(&self) -> String {
        self.heads.lock().await.recv().await.expect("a request")
    }

    /// Requests answered.
    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// Ends at once: no listener, no connection.
    pub(crate) fn kill(&self) {
        self.accepting.abort();
        for task in self.connections.lock().expect("no panic").drain(..) {
            task.abort();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A 200 with this body.
pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn serve(
    mut stream: TcpStream,
    script: Script,
    heads: mpsc::UnboundedSender<String>,
    served: Arc<AtomicUsize>,
) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer
                .windows(4)
                .position(|four: &[u8]| four == b"\r\n\r\n")
            {
                break at + 4;
            }
            match stream.read_buf(&mut buffer).await {
                Ok(read) if read > 0 => {}
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().ok())?
        });
        let length: usize = length.unwrap_or(0);
        while buffer.len() < length {
            match stream.read_buf(&mut buffer).await {
                Ok(read) if read > 0 => {}
                _ => return,
            }
        }
        buffer.drain(..length);
        let answer = script(&head);
        let _ = heads.send(head);
        served.fetch_add(1, Ordering::SeqCst);
        if answer.is_empty() || stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
