//! Who is in the lab and who listens where.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::reference::REFERENCE;
use super::{Options, Store};

/// One process of a cluster.
#[derive(Debug, Clone)]
pub struct Seat {
    pub id: String,
    pub address: SocketAddr,
    /// Of a front: the backend that it asks.
    pub exchange: Option<SocketAddr>,
}

/// All addresses and places, before anything is started.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Absolute, so that configuration files work from anywhere.
    pub dir: PathBuf,
    pub bin_dir: PathBuf,
    pub proxy: SocketAddr,
    pub h2c: SocketAddr,
    pub admin: SocketAddr,
    pub control: SocketAddr,
    /// With their fronts before them, where there are fronts.
    pub backends: Vec<Seat>,
    pub sticky_apps: Vec<Seat>,
    /// Where the lab's own Redis server listens, if it has one.
    pub redis: Option<SocketAddr>,
    /// The backend that nobody disturbs, if there is one.
    pub reference: Option<Seat>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "port {port} for {who} is taken; stop what listens there, or move the lab with \
             --port-base"
    )]
    Taken {
        who: String,
        port: u16,
        source: io::Error,
    },
    #[error("--port-base {0} leaves no room: at most {max}", max = u16::MAX - SPAN)]
    Base(u16),
    #[error("--backends {backends} and --fronts {fronts} are more than {SEATS_MAX}")]
    Seats { backends: u8, fronts: u8 },
    #[error("no free port")]
    Free(#[source] io::Error),
    #[error("directory of this program")]
    Here(#[source] io::Error),
}

impl Plan {
    pub fn new(options: &Options) -> Result<Self, Error> {
        let ports = Ports::choose(options.port_base)?;
        let bin_dir = match &options.bin_dir {
            Some(dir) => std::path::absolute(dir).map_err(Error::Here)?,
            None => beside_this_program()?,
        };
        let seats = |count: u8, prefix: &str, first: &[u16]| {
            (b'a'..)
                .zip(first)
                .take(count.into())
                .map(|(letter, &port)| Seat {
                    id: format!("{prefix}{}", char::from(letter)),
                    address: loopback(port),
                    exchange: None,
                })
                .collect::<Vec<_>>()
        };
        let (backends, fronts) = (options.backends, options.fronts);
        if u16::from(backends) + u16::from(fronts) > SEATS_MAX {
            return Err(Error::Seats { backends, fronts });
        }
        let (own, others) = ports.backends.split_at(backends.into());
        let backends = seats(backends, "", own);
        let homes = backends.iter().map(|seat| seat.address).cycle();
        let fronts = seats(fronts, "f", others).into_iter().zip(homes);
        let fronts = fronts.map(|(seat, home)| Seat {
            exchange: Some(home),
            ..seat
        });
        Ok(Self {
            dir: std::path::absolute(&options.dir).map_err(Error::Here)?,
            bin_dir,
            proxy: loopback(options.port.unwrap_or(ports.proxy)),
            h2c: loopback(options.h2c_port.unwrap_or(ports.h2c)),
            admin: loopback(options.admin_port.unwrap_or(ports.admin)),
            control: loopback(ports.control),
            backends: fronts.chain(backends.clone()).collect(),
            sticky_apps: seats(options.sticky_apps, "s", &ports.sticky_apps),
            redis: (options.store == Store::Redis).then(|| loopback(ports.redis)),
            reference: options.reference.then(|| Seat {
                id: REFERENCE.to_owned(),
                address: loopback(ports.reference),
                exchange: None,
            }),
        })
    }

    /// Whom the proxy sees: the fronts, or the backends where there are none.
    pub fn endpoints(&self) -> impl Iterator<Item = &Seat> {
        let fronts = self.backends.iter().any(|seat| seat.exchange.is_some());
        let seen = move |seat: &&Seat| seat.exchange.is_some() == fronts;
        self.backends.iter().filter(seen)
    }

    /// Refuses ports that somebody else listens on, by name.
    pub fn check(&self) -> Result<(), Error> {
        let single = [
            ("the proxy", self.proxy),
            ("the proxy's h2c listener", self.h2c),
            ("the proxy's admin listener", self.admin),
            ("the lab control", self.control),
        ];
        let redis = self.redis.map(|address| ("the Redis server", address));
        let reference = self.reference.as_ref();
        let reference = reference.map(|seat| ("the reference backend", seat.address));
        let single = single.into_iter().chain(redis).chain(reference);
        let single = single.map(|(who, address)| (who.to_owned(), address));
        let backends = self
            .backends
            .iter()
            .map(|seat| (format!("backend {}", seat.id), seat));
        let sticky = self
            .sticky_apps
            .iter()
            .map(|seat| (format!("sticky-app {}", seat.id), seat));
        let seats = backends
            .chain(sticky)
            .map(|(who, seat)| (who, seat.address));
        // Kept open until all are bound, so that one port named twice is found as well.
        let mut bound = Vec::new();
        for (who, address) in single.chain(seats) {
            let listener = TcpListener::bind(address).map_err(|source| Error::Taken {
                who,
                port: address.port(),
                source,
            })?;
            bound.push(listener);
        }
        Ok(())
    }

    #[must_use]
    pub fn record(&self) -> PathBuf {
        self.dir.join("lab.json")
    }

    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }
}

/// `count` ports that were free a moment ago.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let bound: io::Result<Vec<_>> = (0..count).map(|_| TcpListener::bind(loopback(0))).collect();
    bound?
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect()
}

#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The directory of the running executable, where cargo puts the others too.
fn beside_this_program() -> Result<PathBuf, Error> {
    let this = std::env::current_exe().map_err(Error::Here)?;
    Ok(this.parent().unwrap_or_else(|| Path::new(".")).to_owned())
}

struct Ports {
    proxy: u16,
    h2c: u16,
    admin: u16,
    control: u16,
    redis: u16,
    reference: u16,
    backends: Vec<u16>,
    sticky_apps: Vec<u16>,
}

impl Ports {
    fn choose(base: Option<u16>) -> Result<Self, Error> {
        let run = |first: u16| (first..first + SEATS_MAX).collect();
        Ok(match base {
            None => Self {
                proxy: 8080,
                h2c: 8081,
                admin: 9090,
                control: 9190,
                redis: 9379,
                reference: 9201,
                backends: run(9001),
                sticky_apps: run(9101),
            },
            Some(0) => {
                let seats = usize::from(SEATS_MAX);
                let free = free_ports(6 + 2 * seats).map_err(Error::Free)?;
                let (backends, sticky_apps) = free[6..].split_at(seats);
                Self {
                    proxy: free[0],
                    h2c: free[1],
                    admin: free[2],
                    control: free[3],
                    redis: free[4],
                    reference: free[5],
                    backends: backends.to_vec(),
                    sticky_apps: sticky_apps.to_vec(),
                }
            }
            Some(base) if base > u16::MAX - SPAN => return Err(Error::Base(base)),
            Some(base) => Self {
                proxy: base,
                h2c: base + 1,
                admin: base + 2,
                control: base + 3,
                redis: base + 4,
                reference: base + 5,
                backends: run(base + 10),
                sticky_apps: run(base + 20),
            },
        })
    }
}

/// Backends, and sticky applications, that one lab may have.
const SEATS_MAX: u16 = 10;
/// Ports from the base to the last one used.
const SPAN: u16 = 30;

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn plan(arguments: &[&str]) -> Result<Plan, Error> {
        let line = Line::try_parse_from([&["lab"], arguments].concat()).expect("known flags");
        Plan::new(&line.options)
    }

    fn ports(seats: &[Seat]) -> Vec<u16> {
        seats.iter().map(|seat| seat.address.port()).collect()
    }

    #[test]
    fn without_flags_everything_is_where_the_readme_says() {
        let plan = plan(&[]).expect("a plan");
        let single = [plan.proxy, plan.h2c, plan.admin, plan.control];
        assert_eq!(
            single.map(|address| address.port()),
            [8080, 8081, 9090, 9190]
        );
        assert_eq!(ports(&plan.backends), [9001, 9002, 9003]);
        assert_eq!(ports(&plan.sticky_apps), [9101, 9102, 9103]);
        assert_eq!(plan.redis, None, "nobody asked for one");
        let ids: Vec<&str> = plan.backends.iter().map(|seat| seat.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert!(plan.dir.is_absolute());
    }

    #[test]
    fn a_base_moves_every_port_and_single_flags_go_first() {
        let plan = plan(&["--port-base", "20000", "--port", "80", "--backends", "2"]);
        let plan = plan.expect("a plan");
        let single = [plan.proxy, plan.h2c, plan.admin, plan.control];
        assert_eq!(
            single.map(|address| address.port()),
            [80, 20001, 20002, 20003]
        );
        assert_eq!(ports(&plan.backends), [20010, 20011]);
        assert_eq!(ports(&plan.sticky_apps), [20020, 20021, 20022]);
    }

    #[test]
    fn a_redis_server_has_a_port_of_its_own() {
        let port = |arguments| plan(arguments).expect("a plan").redis.map(|at| at.port());
        assert_eq!(port(&["--store", "redis"]), Some(9379));
        let moved = ["--store", "redis", "--port-base", "20000"];
        assert_eq!(port(&moved), Some(20004));
    }

    #[test]
    fn a_base_without_room_above_it_is_refused() {
        let error = plan(&["--port-base", "65520"]).expect_err("too high");
        assert_eq!(
            error.to_string(),
            "--port-base 65520 leaves no room: at most 65505"
        );
    }

    #[test]
    fn the_proxy_sees_fronts_alone_and_each_has_a_backend() {
        let plan = plan(&["--backends", "2", "--fronts", "3"]).expect("a plan");
        let ids = |seats: Vec<&Seat>| -> Vec<String> {
            seats.into_iter().map(|seat| seat.id.clone()).collect()
        };
        assert_eq!(ids(plan.endpoints().collect()), ["fa", "fb", "fc"]);
        let all = ids(plan.backends.iter().collect());
        assert_eq!(all, ["fa", "fb", "fc", "a", "b"]);
        assert_eq!(ports(&plan.backends), [9003, 9004, 9005, 9001, 9002]);
        let homes = plan
            .endpoints()
            .map(|seat| seat.exchange.map(|at| at.port()));
        assert_eq!(homes.collect::<Vec<_>>(), [9001, 9002, 9001].map(Some));
    }

    #[test]
    fn more_seats_than_there_are_ports_are_refused() {
        let error = plan(&["--backends", "8", "--fronts", "3"]).expect_err("too many");
        assert_eq!(
            error.to_string(),
            "--backends 8 and --fronts 3 are more than 10"
        );
    }

    #[test]
    fn free_ports_are_all_different() {
        let plan = plan(&["--port-base", "0", "--backends", "10"]).expect("a plan");
        let mut all = [ports(&plan.backends), ports(&plan.sticky_apps)].concat();
        all.extend([plan.proxy, plan.h2c, plan.admin, plan.control].map(|one| one.port()));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
