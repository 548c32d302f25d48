//! How many may come in at a time?
//!
//! Connections are counted per address and in all when they are accepted, before a byte is read
//! from them. The count goes down when the connection's stream is dropped, wherever it ended up.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::telemetry::Counted;

/// Counts the connections that are open.
#[derive(Clone, Debug)]
pub struct Admissions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    per_address_max: usize,
    all_max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Its address has as many as it may have.
    Address,
    /// The process has as many as it may have.
    All,
}

impl Admissions {
    /// Nobody is in yet.
    pub fn new(per_address_max: usize, all_max: usize) -> Self {
        Self(Arc::new(Shared {
            per_address_max,
            all_max,
            open: Mutex::default(),
        }))
    }

    /// Let one in, for as long as the admission is held.
    pub fn admit(&self, address: IpAddr) -> Result<Admission, Refused> {
        self.admit_unknown()?.of(address)
    }

    /// Let one in whose client is not known yet: a load balancer will name it.
    pub fn admit_unknown(&self) -> Result<Admission, Refused> {
        let mut open = self.0.open.lock();
        if open.all >= self.0.all_max {
            return Err(Refused::All);
        }
        open.all += 1;
        drop(open);
        Ok(Admission {
            admissions: self.clone(),
            address: None,
            counted: None,
        })
    }

    /// How many are in.
    pub fn open(&self) -> usize {
        self.0.open.lock().all
    }
}

/// One connection that was let in; dropping it lets the next one in.
#[derive(Debug)]
pub struct Admission {
    admissions: Admissions,
    /// Whom it counts against; nobody yet where the client is unknown.
    address: Option<IpAddr>,
    /// Its place in the metrics.
    counted: Option<Counted>,
}

impl Admission {
    /// It is among the open connections of the metrics for as long as it is held.
    #[must_use]
    pub fn counted(mut self, counted: Counted) -> Self {
        self.counted = Some(counted);
        self
    }

    /// It is this client's. To be called once.
    pub fn of(mut self, address: IpAddr) -> Result<Self, Refused> {
        let address = group(address);
        {
            let mut open = self.admissions.0.open.lock();
            let count = open.by_address.entry(address).or_default();
            if *count >= self.admissions.0.per_address_max {
                return Err(Refused::Address);
            }
            *count += 1;
        }
        self.address = Some(address);
        Ok(self)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut open = self.admissions.0.open.lock();
        open.all -= 1;
        let Some(address) = self.address else { return };
        if let Entry::Occupied(mut entry) = open.by_address.entry(address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// A customer gets at least 64 bits of IPv6 (RFC 6177), so addresses below count as one.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("address")
    }

    #[test]
    fn an_address_at_its_limit_keeps_out_nobody_else() {
        let admissions = Admissions::new(1, 10);
        let first = admissions.admit(address("10.0.0.1")).expect("first");
        assert_eq!(
            admissions.admit(address("10.0.0.1")).err(),
            Some(Refused::Address)
        );
        let other = admissions
            .admit(address("10.0.0.2"))
            .expect("another address");
        drop(first);
        admissions.admit(address("10.0.0.1")).expect("room again");
        drop(other);
        assert_eq!(admissions.open(), 0);
    }

    #[test]
    fn a_load_balancer_brings_more_clients_than_one_address_may() {
        let admissions = Admissions::new(1, 3);
        let [a, b, c] = [(); 3].map(|()| admissions.admit_unknown().expect("room"));
        assert_eq!(admissions.admit_unknown().err(), Some(Refused::All));
        let a = a.of(address("10.0.0.1")).expect("the first of its address");
        assert_eq!(b.of(address("10.0.0.1")).err(), Some(Refused::Address));
        let c = c.of(address("10.0.0.2")).expect("another client");
        assert_eq!(admissions.open(), 2, "who was refused is out");
        drop((a, c));
        assert_eq!(admissions.open(), 0);
        admissions.admit(address("10.0.0.1")).expect("room again");
    }

    #[test]
    fn the_limit_of_all_holds_over_addresses() {
        let admissions = Admissions::new(5, 2);
        let _held: Vec<_> = ["10.0.0.1", "10.0.0.2"]
            .map(|a| admissions.admit(address(a)))
            .into();
        assert_eq!(
            admissions.admit(address("10.0.0.3")).err(),
            Some(Refused::All)
        );
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let admissions = Admissions::new(1, 10);
        let _held = admissions.admit(address("2001:db8::1")).expect("first");
        assert_eq!(
            admissions.admit(address("2001:db8::2")).err(),
            Some(Refused::Address)
        );
        admissions
            .admit(address("2001:db8:0:1::1"))
            .expect("the next network");
    }
}
