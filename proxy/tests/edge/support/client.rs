//! A client that sends what it is given, byte for byte, and reads one answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: BTreeMap<String, Vec<String>>,
    pub(crate) body: Vec<u8>,
}

/// Waits for something to happen, but not for ever.
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let Ok(happened) = timeout(PATIENCE, happens).await else {
        panic!("waited in vain: {what}");
    };
    happened
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .expect("the proxy accepts");
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // a proxy that has answered and closed is judged by its answer
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next answer; `None` when the connection ends without one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        timeout(PATIENCE, self.read_answer())
            .await
            .expect("an answer in time")
    }

    /// The other side has closed, and sent nothing more.
    pub(crate) async fn closed(&mut self) -> bool {
        let mut bytes = [0; 1];
        let read = timeout(PATIENCE, self.stream.read(&mut bytes))
            .await
            .expect("an end in time");
        self.buffer.is_empty() && !matches!(read, Ok(n) if n > 0)
    }

    /// Asks for a WebSocket, with frames right behind the request.
    pub(crate) async fn upgrade(&mut self, path: &str, fields: &str, early: &[u8]) -> Answer {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\
             {fields}\r\n"
        );
        self.send([head.as_bytes(), early].concat()).await;
        self.answer().await.expect("an answer")
    }

    /// The next bytes; fewer only at the end.
    pub(crate) async fn some(&mut self, length: usize) -> Vec<u8> {
        let read = async { while self.buffer.len() < length && self.fill().await.is_some() {} };
        timeout(PATIENCE, read).await.expect("bytes in time");
        let read = self.buffer.len().min(length);
        self.buffer.drain(..read).collect()
    }

    /// The next bytes, which are to be these.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        let found = self.some(bytes.len()).await;
        assert_eq!(
            found.escape_ascii().to_string(),
            bytes.escape_ascii().to_string()
        );
    }

    /// Everything until the other side closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let read = async { while self.fill().await.is_some() {} };
        timeout(PATIENCE, read).await.expect("an end in time");
        std::mem::take(&mut self.buffer)
    }

    /// Sends nothing more, and still reads.
    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("a FIN");
    }

    pub(crate) async fn get(&mut self, path: &str, fields: &str) -> Answer {
        self.send(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"
        ))
        .await;
        self.answer().await.expect("an answer")
    }

    async fn read_answer(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let values = fields.entry(name.to_ascii_lowercase()).or_default();
            values.push(value.trim().to_owned());
        }
        let length = fields
            .get("content-length")
            .and_then(|v| v[0].parse().ok())
            .unwrap_or(0);
        while self.buffer.len() < length {
            self.fill().await?;
        }
        let body = self.buffer.drain(..length).collect();
        Some(Answer {
            status,
            fields,
            body,
        })
    }

    async fn fill(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (read > 0).then_some(())
    }
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|values| values[0].as_str())
    }

    pub(crate) fn endpoint(&self) -> &str {
        self.field("holdfast-endpoint").unwrap_or_default()
    }

    /// `Cookie:` with the affinity cookie that this answer sets.
    pub(crate) fn cookie(&self) -> Option<String> {
        let set = self.fields.get("set-cookie")?.first()?;
        Some(format!("Cookie: {}\r\n", set.split(';').next()?))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The key of RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// Longer than the edge is ever silent: its heartbeat is 25 s.
const PATIENCE: Duration = Duration::from_secs(30);
