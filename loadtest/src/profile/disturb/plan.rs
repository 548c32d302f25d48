//! Endpoints that leave as they should.

use rustix::process::Signal;

use super::{Disturbance, Error, LOOK};
use crate::clock::Instant;

impl Disturbance<'_> {
    /// Each backend in turn gets SIGTERM and comes back.
    pub(super) async fn roll(&mut self) -> Result<(), Error> {
        for _ in 0..self.options.times() {
            for each in self.backends()? {
                self.signal(&each, Signal::TERM)?;
                let since = Instant::now();
                self.back(&each).await?;
                let took = since.elapsed().as_secs_f64();
                self.note(&format!("{} is back after {took:.1} s", each.id), None);
                tokio::time::sleep(self.options.interval()).await;
            }
        }
        Ok(())
    }

    /// An operator drains an endpoint and puts it back.
    pub(super) async fn drain_each(&mut self) -> Result<(), Error> {
        let backends = self.backends()?;
        for time in 0..self.options.times() as usize {
            let Some(one) = backends.get(time % backends.len().max(1)) else {
                break;
            };
            self.admin.order("backend", &one.id, "drain").await?;
            self.note(&format!("drain {}", one.id), Some(&one.id));
            let deadline = Instant::now() + self.options.hold();
            let mut ticks = tokio::time::interval(LOOK);
            let mut left = u64::MAX;
            while Instant::now() < deadline && left > 0 {
                ticks.tick().await;
                let endpoints = self.admin.endpoints("backend").await?;
                let found = endpoints.iter().find(|endpoint| endpoint.id == one.id);
                left = found.map_or(0, |found| {
                    found.connections.websocket + found.connections.sse
                });
            }
            if left > 0 {
                let what = format!(
                    "{left} connections were still at {} when it was due",
                    one.id
                );
                self.course.wrong.push(what);
            }
            self.admin.order("backend", &one.id, "ready").await?;
            self.note(&format!("ready {}", one.id), None);
            tokio::time::sleep(self.options.interval()).await;
        }
        Ok(())
    }
}
