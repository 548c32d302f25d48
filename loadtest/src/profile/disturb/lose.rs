//! Endpoints and stores that are killed.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Signal;

use super::super::desk::Volley;
use super::super::lab_file::Member;
use super::{BACK_MAX, Disturbance, Error, LOOK, send};
use crate::clock::Instant;

impl Disturbance<'_> {
    /// One backend after the other, at a fixed beat, whether or not the one before is back.
    pub(super) async fn kill_each(&mut self) -> Result<(), Error> {
        let mut beat = tokio::time::interval(self.options.interval());
        let mut killed: BTreeMap<String, Member> = BTreeMap::new();
        for time in 0..self.options.times() as usize {
            beat.tick().await;
            let backends = self.backends()?;
            let Some(one) = backends.get(time % backends.len().max(1)) else {
                break;
            };
            if let Some(before) = killed.get(&one.id) {
                self.back(before).await?;
            }
            let Some(one) = self.backends()?.into_iter().find(|now| now.id == one.id) else {
                break;
            };
            self.signal(&one, Signal::KILL)?;
            killed.insert(one.id.clone(), one);
        }
        for one in killed.values() {
            self.back(one).await?;
        }
        Ok(())
    }

    /// Every third backend at once, and again as soon as it comes back, as long as the zone is
    /// away.
    pub(super) async fn lose_zone(&mut self) -> Result<(), Error> {
        for _ in 0..self.options.times() {
            let zone: Vec<Member> = self.backends()?.into_iter().step_by(3).collect();
            for one in &zone {
                self.signal(one, Signal::KILL)?;
            }
            let until = Instant::now() + self.options.hold();
            let mut down = zone.clone();
            let mut ticks = tokio::time::interval(LOOK);
            while Instant::now() < until {
                ticks.tick().await;
                for now in self.backends().unwrap_or_default() {
                    let again = |was: &&mut Member| was.id == now.id && was.pid != now.pid;
                    if let Some(was) = down.iter_mut().find(again) {
                        // It may have gone by itself meanwhile.
                        drop(send(now.pid, Signal::KILL, &now.id));
                        *was = now;
                    }
                }
            }
            self.note("the zone comes back", None);
            for one in &down {
                self.back(one).await?;
            }
            tokio::time::sleep(self.options.interval()).await;
        }
        Ok(())
    }

    /// The store is killed and comes back.
    pub(super) async fn restart_redis(&mut self) -> Result<(), Error> {
        for _ in 0..self.options.times() {
            let pid = self.record()?.redis.ok_or(Error::NoRedis)?.pid;
            send(pid, Signal::KILL, "Redis")?;
            self.note("SIGKILL redis", None);
            let since = Instant::now();
            let returned = async {
                let mut ticks = tokio::time::interval(LOOK);
                let same = || {
                    let redis = self.record().ok().and_then(|record| record.redis);
                    redis.is_none_or(|now| now.pid == pid)
                };
                while same() {
                    ticks.tick().await;
                }
            };
            let gone = |_| Error::Gone {
                who: String::from("Redis"),
            };
            tokio::time::timeout(BACK_MAX, returned)
                .await
                .map_err(gone)?;
            let took = since.elapsed().as_secs_f64();
            self.note(&format!("redis runs again after {took:.1} s"), None);
            tokio::time::sleep(self.options.interval()).await;
        }
        Ok(())
    }

    /// Orders around the moment at which the backend with the most sessions is killed, until there
    /// were enough of them.
    pub(super) async fn commands(&mut self) -> Result<(), Error> {
        let wanted = self.options.commands as usize;
        let mut kills: Vec<(Duration, String)> = Vec::new();
        for _ in 0..self.options.times() {
            self.auditor.call_the_roll().await;
            let Some(victim) = self.fullest()? else { break };
            let at = Instant::now() + AHEAD;
            self.volleys.send_replace(Some(Volley {
                at: at - BEFORE,
                orders: VOLLEY,
                apart: (BEFORE + AFTER) / VOLLEY,
            }));
            tokio::time::sleep_until(at).await;
            self.signal(&victim, Signal::KILL)?;
            kills.push((self.seat.start.elapsed(), victim.id.clone()));
            self.back(&victim).await?;
            tokio::time::sleep(self.options.interval()).await;
            if self.sent_into(&kills) >= wanted {
                break;
            }
        }
        let sent = self.sent_into(&kills);
        self.course.seen.push(format!(
            "{sent} commands were sent by sessions of a backend from {BEFORE:?} before to \
             {AFTER:?} after its SIGKILL"
        ));
        if sent < wanted {
            self.course
                .wrong
                .push(format!("{wanted} such commands were wanted"));
        }
        Ok(())
    }

    /// Commands of sessions whose backend was being killed.
    fn sent_into(&self, kills: &[(Duration, String)]) -> usize {
        let into = |at: Duration, home: Option<&str>| {
            kills.iter().any(|(kill, victim)| {
                at + BEFORE >= *kill && at <= *kill + AFTER && home == Some(victim)
            })
        };
        self.moved()
            .map(|desk| {
                let commands = desk.commands.borrow();
                let sent = commands.iter().filter(|(_, command)| {
                    let kill = kills
                        .iter()
                        .find(|(kill, _)| command.at <= *kill + AFTER)
                        .map_or(command.at, |(kill, _)| *kill);
                    let home = desk.home(kill.min(command.at + BEFORE));
                    into(command.at, home.as_deref())
                });
                sent.count()
            })
            .sum()
    }

    /// The backend that most sessions live on.
    fn fullest(&self) -> Result<Option<Member>, Error> {
        let now = self.seat.start.elapsed();
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for desk in self.moved() {
            if let Some(home) = desk.home(now) {
                *count.entry(home).or_default() += 1;
            }
        }
        let most = count.into_iter().max_by_key(|(_, sessions)| *sessions);
        let backends = self.backends()?;
        Ok(most.and_then(|(id, _)| backends.into_iter().find(|one| one.id == id)))
    }
}

/// Between the wish for orders and the kill.
const AHEAD: Duration = Duration::from_millis(500);
/// Orders of a session begin so long before the kill, and end so long after.
const BEFORE: Duration = Duration::from_millis(100);
const AFTER: Duration = Duration::from_millis(200);
/// Orders of each session around each kill.
const VOLLEY: u32 = 10;
