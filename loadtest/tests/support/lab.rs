//! A lab on free ports in a directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use holdfast_loadtest::client::Client;
use holdfast_loadtest::lab::plan::{free_ports, loopback};
use http::Method;

use super::process::{LOADTEST, Running, bin_dir};
use super::{SOON, directory, eventually};

/// A proxy that the lab knows nothing of.
pub(crate) struct SecondProxy {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    _process: Running,
}

pub(crate) struct Lab {
    pub(crate) process: Running,
    dir: PathBuf,
}

impl Lab {
    /// Starts one and waits until it says that it is up.
    pub(crate) async fn start(test: &str, more: &[&str]) -> Self {
        let dir = directory(test);
        let (place, bins) = (dir.display().to_string(), bin_dir().display().to_string());
        let mut arguments = vec![
            "lab",
            "--port-base",
            "0",
            "--dir",
            &place,
            "--bin-dir",
            &bins,
        ];
        arguments.extend(more);
        let mut process = Running::start(LOADTEST.as_ref(), &arguments);
        process.says("Holdfast is up").await;
        Self { process, dir }
    }

    /// What `lab.json` says now; `None` while there is none.
    pub(crate) fn record(&self) -> Option<serde_json::Value> {
        let text = std::fs::read_to_string(self.dir.join("lab.json")).ok()?;
        Some(serde_json::from_str(&text).expect("lab.json is always whole"))
    }

    /// Waits until `lab.json` says what is wanted.
    pub(crate) async fn record_with<T>(
        &self,
        what: &str,
        wanted: impl Fn(&serde_json::Value) -> Option<T>,
    ) -> T {
        eventually(what, async || self.record().as_ref().and_then(&wanted)).await
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn address(&self, pointer: &str) -> SocketAddr {
        let record = self.record().expect("lab.json");
        let text = record.pointer(pointer).and_then(|value| value.as_str());
        text.expect("an address in lab.json")
            .parse()
            .expect("an address")
    }

    pub(crate) fn proxy(&self) -> SocketAddr {
        self.address("/proxy/address")
    }

    /// Another proxy in front of the same backends, with the keys of the first.
    pub(crate) async fn second_proxy(&self) -> SecondProxy {
        let ports = free_ports(3).expect("free ports");
        let mut text = std::fs::read_to_string(self.dir.join("proxy.yaml")).expect("its file");
        let record = self.record().expect("lab.json");
        let places = ["address", "h2c", "admin"].into_iter().zip(ports);
        let [address, _, admin]: [SocketAddr; 3] = places
            .map(|(place, port)| {
                let old = record["proxy"][place].as_str().expect("an address");
                let new = loopback(port);
                text = text.replace(&format!("\"{old}\""), &format!("\"{new}\""));
                new
            })
            .collect::<Vec<_>>()
            .try_into()
            .expect("three");
        // Nobody reads what it says.
        text.push_str("access_log: { to: off }\n");
        let config = self.dir.join("second-proxy.yaml");
        std::fs::write(&config, text).expect("written");
        let program = bin_dir().join("holdfast-proxy");
        let arguments = ["run", "--config", &config.display().to_string()];
        let process = Running::start(&program, &arguments);
        let client = Client::new(SOON);
        eventually("the second proxy is ready", async || {
            let asked = client.call(Method::GET, admin, "/readyz").await.ok()?;
            asked.status().is_success().then_some(())
        })
        .await;
        SecondProxy {
            address,
            admin,
            _process: process,
        }
    }

    /// Every process of the lab.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let record = self.record().expect("lab.json");
        let servers = ["backends", "sticky_apps"].into_iter().flat_map(|kind| {
            record[kind]
                .as_array()
                .expect("a list of servers")
                .iter()
                .cloned()
        });
        let redis = record.get("redis").cloned();
        let all = servers.chain([record["proxy"].clone()]).chain(redis);
        all.map(|one| u32::try_from(one["pid"].as_u64().expect("pid")).expect("pid"))
            .collect()
    }
}
