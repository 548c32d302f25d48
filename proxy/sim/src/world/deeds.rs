//! What can be done to endpoints, network and store.

use holdfast_core::Admin;

use super::{NAMES, World};
use crate::Sight;
use crate::act::Deed;
use crate::endpoint::Life;
use crate::store::{Loss, Mood};

impl World {
    /// Does it, and undoes it after so many milliseconds. One that makes no sense now, such as
    /// waking who does not sleep, comes to nothing.
    pub(crate) fn perform(&mut self, deed: Deed, span: Option<u64>) {
        self.hub.see(Sight::Done(deed.to_string()));
        if let (Some(span), Some(undone)) = (span, deed.undone()) {
            self.hub
                .post(span, move |world| world.perform(undone, None));
        }
        if !matches!(
            deed,
            Deed::CutOne | Deed::Cut(_) | Deed::Part(..) | Deed::Join(..)
        ) {
            self.calm_since = self.hub.now();
        }
        match deed {
            Deed::Kill(who) => self.kill(who.index()),
            Deed::Restart(who) => self.restart(who.index()),
            Deed::Pause(who) => self.pause(who.index()),
            Deed::Wake(who) => self.wake(who.index()),
            Deed::Ail(who) => {
                self.ailing.insert(who.index());
            }
            Deed::Recover(who) => {
                self.ailing.remove(&who.index());
            }
            Deed::Part(proxy, who) => self.part(proxy, who.index()),
            Deed::Join(proxy, who) => {
                self.parted.remove(&(proxy, who.index()));
            }
            Deed::Hide(proxy, who) => self.hide(proxy, who.index(), true),
            Deed::Show(proxy, who) => self.hide(proxy, who.index(), false),
            Deed::Cut(who) => self.cut(|endpoint, _| endpoint == who.index()),
            Deed::CutOne => self.cut_one(),
            Deed::Store(mood) => self.store.mood = mood,
            Deed::StoreOf(who, Mood::Well) => {
                self.store.moods.remove(&who.index());
            }
            Deed::StoreOf(who, mood) => {
                self.store.moods.insert(who.index(), mood);
            }
            Deed::Loses(loss) => self.lose(loss),
        }
    }

    /// Whatever was done is undone.
    pub(crate) fn heal(&mut self) {
        self.hub.call_off();
        self.calm_since = self.hub.now();
        self.store.mood = Mood::Well;
        self.store.moods.clear();
        self.parted.clear();
        self.ailing.clear();
        for index in 0..self.endpoints.len() {
            self.restart(index);
            self.wake(index);
            for proxy in 0..self.proxies.len() {
                self.hide(proxy, index, false);
                self.wish(proxy, index, Admin::Ready);
            }
        }
        for proxy in &mut self.proxies {
            for connection in &mut proxy.connections {
                connection.client.stalled = false;
                connection.dirty = true;
            }
        }
    }

    fn kill(&mut self, index: usize) {
        if self.endpoints[index].life != Life::Dead {
            self.endpoints[index].kill();
            self.cut(|endpoint, _| endpoint == index);
        }
    }

    fn restart(&mut self, index: usize) {
        if self.endpoints[index].life == Life::Dead {
            let hub = self.hub.clone();
            self.endpoints[index].restart(&hub);
            self.endpoints[index].dirty = true;
        }
    }

    fn pause(&mut self, index: usize) {
        if self.endpoints[index].life == Life::Running {
            self.endpoints[index].life = Life::Paused;
        }
    }

    fn wake(&mut self, index: usize) {
        if self.endpoints[index].life != Life::Paused {
            return;
        }
        self.endpoints[index].life = Life::Running;
        self.endpoints[index].dirty = true;
        for act in std::mem::take(&mut self.endpoints[index].inbox) {
            act(self);
        }
    }

    /// Nothing passes between these two any more.
    fn part(&mut self, proxy: usize, index: usize) {
        self.parted.insert((proxy, index));
        self.cut(|endpoint, of| (of, endpoint) == (proxy, index));
    }

    /// The discovery of one proxy names this endpoint, or not.
    fn hide(&mut self, proxy: usize, index: usize, hidden: bool) {
        let changed = if hidden {
            self.hidden.insert((proxy, index))
        } else {
            self.hidden.remove(&(proxy, index))
        };
        if changed {
            let names = (0..).zip(&NAMES[..self.endpoints.len()]);
            let named = names.filter(|(at, _)| !self.hidden.contains(&(proxy, *at)));
            let members = named.map(super::member).collect();
            self.proxies[proxy].discover(members);
        }
    }

    fn cut(&self, which: impl Fn(usize, usize) -> bool) {
        for wire in &self.wires {
            if which(wire.endpoint, wire.proxy) {
                wire.tear();
            }
        }
    }

    fn cut_one(&self) {
        let count = self.wires.len() as u64;
        if count > 0 {
            let at = self.hub.chance(|chance| chance.below(count));
            self.wires[usize::try_from(at).expect("a place")].tear();
        }
    }

    fn lose(&mut self, loss: Loss) {
        self.store.now = self.hub.now();
        self.store.lose(loss);
        for proxy in &mut self.proxies {
            for connection in &mut proxy.connections {
                let client = &mut connection.client;
                client.heard_before_loss = client.heard.len();
            }
        }
    }
}
