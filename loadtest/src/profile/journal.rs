//! The journals of sessions in the lab's Redis: under which generation each record was written.
//! docs/stores.md describes the keys.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// One connection to the server.
pub(super) struct Journals(BufReader<TcpStream>);

/// What was read of journals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) records: usize,
    /// Records that follow one of a newer generation: somebody who had lost the session wrote.
    pub(super) late: usize,
}

#[derive(Deserialize)]
struct Record {
    generation: u64,
}

impl Journals {
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address);
        let stream = tokio::time::timeout(ANSWER_MAX, stream).await;
        Ok(Self(BufReader::new(stream.map_err(|_| late())??)))
    }

    /// Reads the journal of one session: what came since its last snapshot but one.
    pub(super) async fn read(&mut self, session: &str) -> io::Result<Read> {
        let key = format!("holdfast:{{{session}}}:journal");
        let ask = format!(
            "*4\r\n$6\r\nLRANGE\r\n${}\r\n{key}\r\n$1\r\n0\r\n$2\r\n-1\r\n",
            key.len()
        );
        let exchange = async {
            self.0.get_mut().write_all(ask.as_bytes()).await?;
            self.answer().await
        };
        let answered = tokio::time::timeout(ANSWER_MAX, exchange).await;
        let records = answered.map_err(|_| late())??;
        // A byte that says which version it is, then JSON.
        let generation = |record: &Vec<u8>| {
            let record: Record = serde_json::from_slice(record.get(1..).unwrap_or_default())?;
            Ok::<_, io::Error>(record.generation)
        };
        let generations: io::Result<Vec<u64>> = records.iter().map(generation).collect();
        Ok(judge(&generations?))
    }

    /// A list of texts (RESP 2).
    async fn answer(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let count = self.number('*').await?.min(RECORDS_MAX);
        let mut texts = Vec::new();
        for _ in 0..count {
            let length = self.number('$').await?.min(LENGTH_MAX);
            let mut text = vec![0; length + 2];
            self.0.read_exact(&mut text).await?;
            text.truncate(length);
            texts.push(text);
        }
        Ok(texts)
    }

    async fn number(&mut self, kind: char) -> io::Result<usize> {
        let mut line = String::new();
        self.0.read_line(&mut line).await?;
        let number = line.trim_end().strip_prefix(kind);
        let number = number.and_then(|number| number.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("Redis answered {line:?}")))
    }
}

fn judge(generations: &[u64]) -> Read {
    let mut newest = 0;
    let mut read = Read::default();
    for generation in generations {
        read.records += 1;
        read.late += usize::from(*generation < newest);
        newest = newest.max(*generation);
    }
    read
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

const ANSWER_MAX: Duration = Duration::from_secs(5);
const RECORDS_MAX: usize = 1_000_000;
/// In bytes, of a record.
const LENGTH_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_an_older_owner_behind_a_newer_one_is_late() {
        let read = judge(&[3, 3, 4, 3, 4, 5]);
        assert_eq!((read.records, read.late), (6, 1));
        assert_eq!(judge(&[]), Read::default());
    }
}
