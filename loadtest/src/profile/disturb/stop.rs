//! A backend that stands still and goes on later, as after a long pause of its machine.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;

use super::super::journal::{Journals, Read};
use super::{Disturbance, Error};
use crate::clock::Instant;

/// What is known of a session's owner: its name, and how often the session changed hands.
type Owner = (String, u64);

impl Disturbance<'_> {
    /// Stops the backend with the most sessions, waits until others have them, lets it go on, and
    /// looks whether it took anything back.
    pub(super) async fn pause(&mut self) -> Result<(), Error> {
        for _ in 0..self.options.times() {
            let endpoints = self.admin.endpoints("backend").await?;
            let most = endpoints.iter().max_by_key(|endpoint| endpoint.sessions);
            let backends = self.backends()?;
            let Some(one) = most.and_then(|most| backends.iter().find(|one| one.id == most.id))
            else {
                break;
            };
            let before = self.owners().await;
            let there = before.values().filter(|(owner, _)| *owner == one.id);
            let there = there.count();
            self.signal(one, Signal::STOP)?;
            tokio::time::sleep(self.options.hold()).await;
            let stopped = self.owners().await;
            self.signal(one, Signal::CONT)?;
            self.watch_journals(&one.id).await?;
            let after = self.owners().await;
            self.course.seen.push(format!(
                "{there} sessions lived at {} when it was stopped",
                one.id
            ));
            self.judge(&one.id, &stopped, &after);
        }
        Ok(())
    }

    /// Reads the journals again and again while the backend finds out that it lost its sessions.
    async fn watch_journals(&mut self, id: &str) -> Result<(), Error> {
        let until = Instant::now() + self.options.quiet().max(NOTICED);
        let Some(redis) = self.record()?.redis else {
            tokio::time::sleep_until(until).await;
            return Ok(());
        };
        let mut all = Read::default();
        let mut journals = Journals::connect(redis.address)
            .await
            .map_err(Error::Journal)?;
        let mut ticks = tokio::time::interval(JOURNALS_EVERY);
        while Instant::now() < until {
            ticks.tick().await;
            for desk in self.moved() {
                let read = journals.read(&desk.trader.session).await;
                let read = read.map_err(Error::Journal)?;
                all.records += read.records;
                all.late += read.late;
            }
        }
        let Read { records, late } = all;
        self.course.seen.push(format!(
            "{records} records were read in journals after {id} went on, {late} of them written \
             by an owner that had lost its session"
        ));
        if late > 0 {
            let what = format!("{late} records of an owner that had lost its session");
            self.course.wrong.push(what);
        }
        Ok(())
    }

    /// Between the last moment of standing still and now, no session may have changed hands.
    fn judge(
        &mut self,
        id: &str,
        stopped: &BTreeMap<String, Owner>,
        after: &BTreeMap<String, Owner>,
    ) {
        let left = stopped.values().filter(|(owner, _)| owner == id).count();
        let back = after.values().filter(|(owner, _)| owner == id).count();
        let changed = stopped
            .iter()
            .filter(|(session, owner)| after.get(*session) != Some(*owner))
            .count();
        self.course.seen.push(format!(
            "{left} sessions lived at {id} before it went on, {back} afterwards; {changed} changed \
             hands after that"
        ));
        if left + back + changed > 0 {
            let what = format!("{id} had or took sessions that others had taken over");
            self.course.wrong.push(what);
        }
    }

    /// Who owns each session, by its own word.
    async fn owners(&self) -> BTreeMap<String, Owner> {
        let mut owners = BTreeMap::new();
        for desk in self.moved() {
            // A session that cannot be asked has an owner unlike any other.
            let view = self.auditor.view(desk).await.unwrap_or_default();
            let endpoint = view["endpoint"].as_str().unwrap_or_default().to_owned();
            let generation = view["generation"].as_u64().unwrap_or_default();
            owners.insert(desk.trader.session.clone(), (endpoint, generation));
        }
        owners
    }
}

/// An owner that has nothing to write looks every two seconds whether it still is one; until then
/// it may answer a question from what it knows.
const NOTICED: Duration = Duration::from_secs(4);
const JOURNALS_EVERY: Duration = Duration::from_millis(250);
