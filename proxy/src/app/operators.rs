//! The control plane and the operators' ports: what is not for clients.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use holdfast_core::ClusterName;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Planes, Shared};
use crate::admin::{self, Admin};
use crate::chance;
use crate::clock;
use crate::config::{self, Config, Discovery};
use crate::control::discovery::Discoveries;
use crate::control::outcomes::OutcomesReceiver;
use crate::control::reload::Reload;
use crate::control::{self, Control, Snapshots};
use crate::listener::{BindError, Bound};
use crate::upgrade::{Role, Sockets};

/// The ports that are not for clients.
pub(super) struct Operators {
    admin: Bound,
    health: Option<Bound>,
}

impl Operators {
    pub(super) fn bind(config: &Config, inherited: &mut Sockets) -> Result<Self, BindError> {
        let mut bind = |role, address| {
            let listener = config::Listener {
                address,
                h2c: false,
                tls: None,
                proxy_protocol: None,
            };
            Bound::inherit(&listener, role, inherited)
        };
        let admin = bind(Role::Admin, config.admin.address)?;
        let health = config.admin.health;
        let health = health.map(|address| bind(Role::Health, address));
        Ok(Self {
            admin,
            health: health.transpose()?,
        })
    }

    /// Where operators connect, and where probes do.
    pub(super) fn addresses(&self) -> (SocketAddr, Option<SocketAddr>) {
        (
            self.admin.address(),
            self.health.as_ref().map(Bound::address),
        )
    }

    pub(super) fn hand_on(&self, to: &mut Sockets) -> io::Result<()> {
        self.admin.hand_on(Role::Admin, to)?;
        match &self.health {
            Some(health) => health.hand_on(Role::Health, to),
            None => Ok(()),
        }
    }
}

/// Starts the control plane: the single writer, discovery, and the watch over the file.
/// `stop` ends all of it, `closed` the ports alone.
pub(super) fn control(
    config: &Config,
    (planes, shared): (&Planes, &Shared),
    heard: OutcomesReceiver,
    operators: Operators,
    (stop, closed): (&CancellationToken, &CancellationToken),
) -> io::Result<Arc<Notify>> {
    let telemetry = shared.telemetry.clone();
    let (handle, control) = Control::new(control::Parts {
        snapshots: shared.snapshots.clone(),
        outcomes: heard,
        orders: Arc::new(shared.relays.registry().clone()),
        telemetry: telemetry.clone(),
        clock: shared.clock,
        cluster_key: config.cluster_key.clone(),
        seed: u64::from_le_bytes(chance::bytes()),
    });
    let (edge, wake) = (shared.edge.clone(), Arc::new(Notify::new()));
    let in_force = Arc::new(ArcSwap::from_pointee(config.clone()));
    let admin = Admin::new(admin::Parts {
        snapshots: shared.snapshots.clone(),
        handle: handle.clone(),
        telemetry: telemetry.clone(),
        registry: shared.relays.registry().clone(),
        config: in_force.clone(),
        clock: shared.clock,
        commands: config.admin.commands,
    });
    {
        let _inside = planes.control.enter();
        if let Some(health) = operators.health {
            let listener = TcpListener::from_std(health.into_socket())?;
            planes
                .control
                .spawn(admin.clone().serve_health(listener, closed.clone()));
        }
        let listener = TcpListener::from_std(operators.admin.into_socket())?;
        planes.control.spawn(admin.serve(listener, closed.clone()));
    }
    let reload = Reload {
        path: config.path.clone(),
        interval: Some(RELOAD_INTERVAL),
        wake: wake.clone(),
        meaning: |config| Ok(config.decisions.clone()),
        accepted: Box::new(move |config| {
            edge.reconfigure(&config);
            in_force.store(config);
        }),
        handle: handle.clone(),
        discoveries: Discoveries::new(handle, telemetry),
        telemetry: shared.telemetry.clone(),
    };
    planes.control.spawn(control.run(stop.clone()));
    planes
        .control
        .spawn(reload.run(Arc::new(config.clone()), stop.clone()));
    Ok(wake)
}

/// Waits until what stands in the file itself is known, so that the first request finds it. What
/// has to be looked up first is not waited for.
pub(super) async fn first_snapshot(config: &Config, snapshots: &Snapshots) {
    let known = || {
        let snapshot = snapshots.load();
        config.clusters.iter().all(|cluster| {
            let Discovery::Static(_) = cluster.discovery else {
                return true;
            };
            let name = ClusterName::parse(&cluster.name).ok();
            let cluster = name.and_then(|name| snapshot.cluster(&name).cloned());
            cluster.is_some_and(|cluster| !cluster.endpoints().is_empty())
        })
    };
    let deadline = clock::moment() + FIRST_SNAPSHOT;
    while !known() && clock::moment() < deadline {
        sleep(Duration::from_millis(1)).await;
    }
}

/// How often the file is looked at; a signal (SIGHUP) does not wait for it.
const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// It takes milliseconds; a machine that is this busy serves without.
const FIRST_SNAPSHOT: Duration = Duration::from_secs(5);
