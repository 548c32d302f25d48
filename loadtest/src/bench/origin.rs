//! The server behind the proxies: answers, echoes and sends events with as little work as
//! possible, so that what the machine does is mostly the proxy's.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use crate::clock::Instant;

/// Flags of the hidden command `bench-origin`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    #[arg(long)]
    listen: SocketAddr,
}

/// Serves until `stop`.
pub async fn run(options: Options, stop: CancellationToken) -> io::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    let accept = async {
        let mut number = 0_u32;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            number = number.wrapping_add(1);
            tokio::spawn(serve(stream, number));
        }
    };
    stop.run_until_cancelled(accept).await.unwrap_or(Ok(()))
}

/// One connection; it ends with the peer, and no error here is worth a word.
async fn serve(mut stream: TcpStream, number: u32) {
    let mut head = Vec::with_capacity(HEAD_MAX);
    while let Some(request) = read_head(&mut stream, &mut head).await {
        if let Some(key) = request.websocket_key {
            echo(stream, &key).await;
            return;
        }
        if let Some(every) = request.events_every {
            // Streams that tick together would let a proxy carry many events at one waking.
            let phase = every.mul_f64((f64::from(number) * GOLDEN_RATIO).fract());
            let _ = events(stream, every, phase).await;
            return;
        }
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

struct Head {
    websocket_key: Option<String>,
    events_every: Option<Duration>,
}

/// Reads up to the empty line; requests have no body here. `None` at the end or at nonsense.
async fn read_head(stream: &mut TcpStream, head: &mut Vec<u8>) -> Option<Head> {
    head.clear();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_MAX || stream.read_buf(head).await.ok()? == 0 {
            return None;
        }
    }
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.lines();
    let path = lines.next()?.split(' ').nth(1)?;
    let websocket_key = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|(_, value)| value.trim().to_owned());
    let every = path
        .strip_prefix("/events?every_us=")
        .and_then(|micros| micros.parse().ok());
    Some(Head {
        websocket_key,
        events_every: every.map(Duration::from_micros),
    })
}

async fn echo(mut stream: TcpStream, key: &str) {
    let accept = derive_accept_key(key.as_bytes());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        let echoed = message.is_text() || message.is_binary();
        let sent = if echoed {
            socket.send(message).await
        } else {
            socket.flush().await
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn events(mut stream: TcpStream, every: Duration, phase: Duration) -> io::Result<()> {
    stream.write_all(EVENTS_HEAD).await?;
    let mut ticks = tokio::time::interval_at(Instant::now() + phase, every);
    for number in 0_u64.. {
        ticks.tick().await;
        let event = format!(
            "id: {number:012}\nevent: book\ndata: {}\n\n",
            "x".repeat(DATA)
        );
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        stream.write_all(chunk.as_bytes()).await?;
    }
    Ok(())
}

const HEAD_MAX: usize = 4096;
/// Bytes of an event's data.
const DATA: usize = 160;
/// Its multiples spread evenly between two whole numbers, however many there are.
const GOLDEN_RATIO: f64 = 1.618_033_988_749_895;
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, edge!\n";
const EVENTS_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    cache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n";
