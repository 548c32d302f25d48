//! A name server that knows one name, as much of RFC 1035 as that takes.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

/// Of every record.
pub(super) const TTL: Duration = Duration::from_secs(7);

/// Answers until it is dropped, or until nobody asked for a while.
pub(super) struct NameServer {
    address: SocketAddr,
    /// The addresses of the name; `None`: it does not answer.
    knows: Arc<Mutex<Option<Vec<Ipv4Addr>>>>,
    asked: mpsc::Receiver<()>,
}

impl NameServer {
    pub(super) fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("allowed");
        let address = socket.local_addr().expect("it is bound");
        let knows = Arc::new(Mutex::new(None::<Vec<Ipv4Addr>>));
        let (tell, asked) = mpsc::channel(16);
        let known = knows.clone();
        tokio::task::spawn_blocking(move || {
            let mut query = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut query) {
                if len == 0 {
                    return;
                }
                let known = known.lock().expect("nobody panics").clone();
                if let Some(known) = known {
                    let answer = answer(&query[..len], &known);
                    socket.send_to(&answer, from).expect("it is sent");
                }
                // That it was asked is known already if there is no room.
                let _ = tell.try_send(());
            }
        });
        Self {
            address,
            knows,
            asked,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the name has these addresses.
    pub(super) fn answers(&self, addresses: &[Ipv4Addr]) {
        *self.knows.lock().expect("nobody panics") = Some(addresses.to_vec());
    }

    /// From now on nobody is answered, and what was asked before is forgotten.
    pub(super) fn is_silent(&mut self) {
        *self.knows.lock().expect("nobody panics") = None;
        while self.asked.try_recv().is_ok() {}
    }

    /// Waits for the next question.
    pub(super) async fn is_asked(&mut self) {
        self.asked.recv().await.expect("it listens");
    }
}

impl Drop for NameServer {
    /// An empty datagram ends its thread, which the runtime would wait for.
    fn drop(&mut self) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let _ = socket.send_to(&[], self.address);
    }
}

/// Header, the question as it was asked, and a record for each address if it asked for those.
fn answer(query: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let name_len = query[HEADER_LEN..].iter().position(|&byte| byte == 0);
    let question_end = HEADER_LEN + name_len.expect("a name ends with the root") + 5;
    let question = &query[HEADER_LEN..question_end];
    let asks_for_addresses = question.ends_with(&[0, TYPE_A, 0, CLASS_IN]);
    let addresses = if asks_for_addresses { addresses } else { &[] };
    let count = u8::try_from(addresses.len()).expect("a few");
    let mut answer = Vec::from(&query[..2]);
    // A response, recursion desired and available, no error; one question, so many answers.
    answer.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question);
    for address in addresses {
        // The name is the one at offset 12.
        answer.extend([0xc0, HEADER_LEN as u8, 0, TYPE_A, 0, CLASS_IN]);
        answer.extend((TTL.as_secs() as u32).to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    answer
}

const HEADER_LEN: usize = 12;
const TYPE_A: u8 = 1;
const CLASS_IN: u8 = 1;
/// With nobody asking for so long the test has gone wrong, and its deadlines are to run.
const PATIENCE: Duration = Duration::from_secs(10);
