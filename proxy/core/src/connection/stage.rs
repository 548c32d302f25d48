//! The props of the plays: a cluster of three endpoints, frames, and a clock.

use std::sync::Arc;
use std::time::Duration;

use holdfast_wire::websocket::{ControlFrame, Opcode, encode_data};

use super::{Holdings, Opening, Settings, Terms};
use crate::affinity::AffinityKey;
use crate::cluster::{
    Admin, Cluster, ClusterName, ClusterSettings, Contract, Endpoint, EndpointId, HandoffSettings,
    Health,
};
use crate::snapshot::Snapshot;
use crate::time::Instant;

/// What the data plane knows in a play; scenes change it.
pub(super) struct World {
    pub(super) snapshot: Snapshot,
    settings: Arc<ClusterSettings>,
    members: Vec<Endpoint>,
    pub(super) now: Instant,
    /// Shared with other connections of the play.
    pub(super) holdings: Arc<Holdings>,
}

pub(super) const KEY: AffinityKey = AffinityKey::from_bits(7);

impl World {
    pub(super) fn new(contract: Contract) -> Self {
        let name = ClusterName::parse("game").expect("a name");
        let mut settings = ClusterSettings::new(name);
        settings.handoff = HandoffSettings {
            contract,
            ..HandoffSettings::default()
        };
        let members = ["a", "b", "c"].into_iter().enumerate().map(|(at, name)| {
            let address = ([127, 0, 0, 1], 9000 + at as u16).into();
            let mut endpoint = Endpoint::new(id(name), address, 1, &settings);
            endpoint.contract = contract != Contract::Off;
            endpoint
        });
        let members = members.collect();
        let settings = Arc::new(settings);
        let snapshot = Snapshot::default();
        let mut world = Self {
            snapshot,
            settings,
            members,
            now: Instant::START,
            holdings: Arc::default(),
        };
        world.publish();
        world
    }

    pub(super) fn opening(&self, endpoint: &str) -> Opening {
        let cluster = self.settings.name.clone();
        Opening {
            settings: Arc::new(Settings {
                handoff: self.settings.handoff.clone(),
                retry: Duration::from_secs(1),
                holdings: self.holdings.clone(),
                ..Settings::default()
            }),
            endpoint: self
                .snapshot
                .endpoint(&cluster, &id(endpoint))
                .expect("a member")
                .clone(),
            cluster,
            key: KEY,
            claimed: None,
            moved_from: Vec::new(),
            last_event_id: None,
            draw: 1,
        }
    }

    pub(super) fn pass(&mut self, span: Duration) -> Instant {
        self.now = self.now + span;
        self.now
    }

    pub(super) fn drain(&mut self, name: &str) {
        self.change(name, |endpoint| endpoint.admin = Admin::Drain);
    }

    pub(super) fn down(&mut self, name: &str) {
        self.change(name, |endpoint| endpoint.health = Health::Down);
    }

    fn change(&mut self, name: &str, change: impl Fn(&mut Endpoint)) {
        let members = &mut self.members;
        change(
            members
                .iter_mut()
                .find(|e| e.id == id(name))
                .expect("a member"),
        );
        self.publish();
    }

    fn publish(&mut self) {
        let members = self.members.iter().cloned().map(Arc::new).collect();
        let cluster = Cluster::new(self.settings.clone(), members, Arc::default());
        self.snapshot
            .clusters
            .insert(self.settings.name.clone(), Arc::new(cluster));
        self.snapshot.number += 1;
    }
}

pub(super) fn id(name: &str) -> EndpointId {
    EndpointId::parse(name).expect("an id")
}

/// Terms of the contract.
pub(super) fn terms(accepted: u64) -> Terms {
    let position = holdfast_wire::contract::EventId::new("e.0");
    Terms {
        contract: true,
        position,
        generation: Some("1".into()),
        accepted: Some(accepted),
    }
}

/// A message from a client.
pub(super) fn masked(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_data(
        &mut bytes,
        Opcode::Text,
        true,
        text.as_bytes(),
        Some([1, 2, 3, 4]),
    );
    bytes
}

/// A message from an endpoint.
pub(super) fn plain(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_data(&mut bytes, Opcode::Text, true, text.as_bytes(), None);
    bytes
}

/// A note of the contract.
pub(super) fn note(text: &str) -> Vec<u8> {
    ControlFrame::pong(text.as_bytes(), None)
        .expect("short")
        .as_ref()
        .to_vec()
}
