//! How a proxy is replaced by its next version on the same machine: the listening sockets are
//! handed on, so that no client is refused in between.
//!
//! On SIGQUIT the running process starts its own program anew, with the same arguments and
//! `--inherit`, and sends it the listening sockets. Both accept until the new one says that it is
//! ready; then the old one stops accepting, and its connections leave as they do on SIGTERM. A
//! client that has connected waits in the kernel's queue of the shared socket, whoever accepts.
//! When the new one does not come up, the old one goes on as if nothing had been.
//!
//! The two talk over a socket pair that is the new process's standard input: a descriptor that
//! both can name without unsafe code. The sockets travel over it as `SCM_RIGHTS`, which `rustix`
//! sends and receives as owned descriptors.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::cmsg_space;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

mod successor;

pub use successor::{Program, Successor, UpgradeError};

/// What a listening socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Clients.
    Listener,
    /// Operators.
    Admin,
    /// Probes and metrics.
    Health,
}

/// Listening sockets on their way from one process to the next, each with its role and its
/// address as the configuration says it, which may have port 0.
#[derive(Debug, Default)]
pub struct Sockets(Vec<(Role, SocketAddr, TcpListener)>);

impl Sockets {
    /// Adds one.
    pub fn put(&mut self, role: Role, address: SocketAddr, socket: TcpListener) {
        self.0.push((role, address, socket));
    }

    /// Takes out the one for this place, if there is one.
    pub fn take(&mut self, role: Role, address: SocketAddr) -> Option<TcpListener> {
        let is_it = |(r, a, _): &(Role, SocketAddr, TcpListener)| (*r, *a) == (role, address);
        let at = self.0.iter().position(is_it)?;
        Some(self.0.remove(at).2)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sends them: a list of their places, and with its first byte all descriptors.
    fn send(&self, to: &UnixStream) -> io::Result<()> {
        if self.len() > SOCKETS_MAX {
            let message = format!("{} sockets; at most {SOCKETS_MAX}", self.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let places = self.0.iter().map(|(r, a, _)| format!("{r} {a}\n"));
        let list = places.collect::<String>() + "\n";
        let descriptors: Vec<BorrowedFd<'_>> = self.0.iter().map(|(.., s)| s.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(SOCKETS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        let parts = [IoSlice::new(list.as_bytes())];
        let sent = sendmsg(to, &parts, &mut control, SendFlags::NOSIGNAL)?;
        let mut to = to;
        to.write_all(&list.as_bytes()[sent..])
    }

    /// Receives them.
    fn receive(from: &UnixStream) -> io::Result<Self> {
        let mut list = Vec::new();
        let mut descriptors = Vec::new();
        while !list.ends_with(b"\n\n") {
            let mut bytes = [0; 4096];
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(SOCKETS_MAX))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let read = recvmsg(from, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = message {
                    descriptors.extend(received);
                }
            }
            if read == 0 || list.len() > LIST_BYTES_MAX {
                return Err(malformed("no whole list of sockets came"));
            }
            list.extend_from_slice(&bytes[..read]);
        }
        Self::assemble(&list, descriptors)
    }

    fn assemble(list: &[u8], descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        let list = std::str::from_utf8(list).map_err(|_| malformed("the list is no text"))?;
        let places: Vec<_> = list.lines().filter(|line| !line.is_empty()).collect();
        if places.len() != descriptors.len() {
            return Err(malformed("not as many sockets as the list names"));
        }
        let mut sockets = Self::default();
        for (place, descriptor) in places.into_iter().zip(descriptors) {
            let (role, address) = place
                .split_once(' ')
                .ok_or_else(|| malformed("a place is a role and an address"))?;
            let role = Role::parse(role).ok_or_else(|| malformed("no such role"))?;
            let address = address.parse();
            let address = address.map_err(|_| malformed("an address is not understood"))?;
            sockets.put(role, address, TcpListener::from(descriptor));
        }
        Ok(sockets)
    }
}

impl Role {
    const ALL: [Self; 3] = [Self::Listener, Self::Admin, Self::Health];

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.to_string() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listener => "listener",
            Self::Admin => "admin",
            Self::Health => "health",
        })
    }
}

/// The process that this one replaces.
#[derive(Debug)]
pub struct Predecessor(UnixStream);

impl Predecessor {
    /// Takes over what waits at standard input. For a process that was started with `--inherit`.
    pub fn at_stdin() -> io::Result<(Self, Sockets)> {
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        stream.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
        let sockets = Sockets::receive(&stream)?;
        Ok((Self(stream), sockets))
    }

    /// From now on this process serves: the other one may leave.
    pub fn ready(mut self) -> io::Result<()> {
        self.0.write_all(READY)
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// What the new process says once it serves.
const READY: &[u8] = b"ready\n";
/// More than any configuration listens on; the kernel takes 253 in one message.
const SOCKETS_MAX: usize = 128;
/// A place is at most about 60 bytes.
const LIST_BYTES_MAX: usize = 16 << 10;
/// The sockets were sent before this process was started.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_arrive_with_their_places_and_listen_as_before() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut sockets = Sockets::default();
        let configured = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut bound = Vec::new();
        for role in Role::ALL {
            let socket = TcpListener::bind(configured).expect("a port");
            bound.push((role, socket.local_addr().expect("its address")));
            sockets.put(role, configured, socket);
        }
        sockets.send(&ours).expect("sent");
        // The sender may be gone by now.
        drop((ours, sockets));
        let mut received = Sockets::receive(&theirs).expect("received");
        for (role, address) in bound {
            let socket = received.take(role, configured).expect("it is there");
            assert_eq!(socket.local_addr().expect("its address"), address);
            let _client = std::net::TcpStream::connect(address).expect("it listens");
            socket.accept().expect("and is accepted from");
        }
        assert!(received.take(Role::Admin, configured).is_none());
    }

    #[test]
    fn a_sender_that_breaks_off_is_no_list_of_sockets() {
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        ours.write_all(b"listener 127.0.0.1:0\n").expect("sent");
        drop(ours);
        assert!(Sockets::receive(&theirs).is_err());
        for list in ["listener 127.0.0.1:0\n\n", "nobody 127.0.0.1:0\n\n"] {
            assert!(Sockets::assemble(list.as_bytes(), Vec::new()).is_err());
        }
    }
}
