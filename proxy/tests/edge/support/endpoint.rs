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

    /// Reads the head of each connection, then leaves it to the test.
    pub(crate) async fn by_hand(id: &str) -> (Self, ByHand) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (sender, taken) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = Vec::new();
                if let Some(end) = read_head(&mut stream, &mut buffer).await {
                    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
                    let _ = sender.send((head, buffer.split_off(end), stream));
                }
            }
        });
        let endpoint = Self {
            id: id.to_owned(),
            address,
            accepting,
            heads: Mutex::new(mpsc::unbounded_channel().1),
            served: Arc::default(),
            connections: Arc::default(),
        };
        (endpoint, taken)
    }

    /// The head of the next request that reached it.
    pub(crate) async fn head(&self) -> String {
        self.heads.lock().await.recv().await.expect("a request")
    }

    /// Requests answered.
    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// Ends at once, and has ended when this returns: its port refuses, its connections are cut.
    pub(crate) async fn kill(&self) {
        self.stop();
        let ended = async {
            while !self.accepting.is_finished() {
                tokio::task::yield_now().await;
            }
        };
        let deadline = std::time::Duration::from_secs(10);
        let ended = tokio::time::timeout(deadline, ended).await;
        ended.expect("the endpoint's listener is closed");
    }

    fn stop(&self) {
        self.accepting.abort();
        for task in self.connections.lock().expect("no panic").drain(..) {
            task.abort();
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Head, what came behind it, and the connection.
pub(crate) type ByHand = mpsc::UnboundedReceiver<(String, Vec<u8>, TcpStream)>;

/// Takes an upgrade that has the key of RFC 6455 section 1.3.
pub(crate) fn switching(fields: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{fields}\r\n"
    )
}

/// Takes an event stream, of unknown length.
pub(crate) fn streaming(events: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{events}")
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
        let Some(end) = read_head(&mut stream, &mut buffer).await else {
            return;
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

/// Where the head ends; `None` if the connection ends first.
async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<usize> {
    loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(at + 4);
        }
        let read = stream.read_buf(buffer).await.ok()?;
        if read == 0 {
            return None;
        }
    }
}
