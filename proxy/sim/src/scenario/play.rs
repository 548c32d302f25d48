//! Does what a scenario says, and writes down what is seen.

use std::collections::BTreeMap;

use holdfast_core::health::Kind;
use holdfast_core::{Admin, Verdict};

use super::cast;
use super::script::{Script, ScriptError};
use crate::Sight;
use crate::audit::{Broken, Watch, conclude};
use crate::client::Client;
use crate::store::Mood;
use crate::world::{World, id};

/// What is seen at each line.
pub(super) fn seen(script: &Script) -> Result<Vec<String>, ScriptError> {
    let error = |line: usize, problem: String| ScriptError { line, problem };
    let setup = cast::setup(&script.cluster).map_err(|problem| error(1, problem))?;
    let opaque = setup.cluster.handoff.contract == holdfast_core::cluster::Contract::Off;
    let mut play = Play {
        world: World::new(setup),
        watch: Watch::default(),
        clients: BTreeMap::new(),
        cookies: BTreeMap::new(),
        opaque,
    };
    let mut all = Vec::new();
    for (at, line) in script.lines.iter().enumerate() {
        let end = script.lines.get(at + 1).map_or(line.at, |next| next.at);
        let problem = |Broken(what)| error(line.number, what);
        play.until(line.at).map_err(problem)?;
        let skipped = if at == 0 { play.world.sights.len() } else { 0 };
        let said = play
            .act(&line.action)
            .map_err(|problem| error(line.number, problem))?;
        play.until(end).map_err(problem)?;
        let sights = play.world.sights.drain(..).skip(skipped);
        let told = sights.filter_map(|(_, sight)| words(&sight));
        all.push(said.into_iter().chain(told).collect::<Vec<_>>().join("; "));
        play.watch.forget();
    }
    Ok(all)
}

struct Play {
    world: World,
    watch: Watch,
    /// Where each client's connection is: proxy and place.
    clients: BTreeMap<String, (usize, usize)>,
    cookies: BTreeMap<String, String>,
    opaque: bool,
}

/// What a sight is to a reader. What was done is not said again.
fn words(sight: &Sight) -> Option<String> {
    match sight {
        Sight::Done(_) => None,
        Sight::Report { report, .. } => {
            let quiet = ["joined", "reloaded"];
            (!quiet.contains(&report.what.as_str())).then(|| sight.to_string())
        }
        _ => Some(sight.to_string()),
    }
}

impl Play {
    fn until(&mut self, end: u64) -> Result<(), Broken> {
        let watch = &mut self.watch;
        self.world.run_until(end, |world| watch.check(world))
    }

    /// Does what a line says; gives back what is seen at once.
    fn act(&mut self, action: &str) -> Result<Vec<String>, String> {
        let words: Vec<&str> = action.split(' ').collect();
        match words[..] {
            ["" | "wait"] => {}
            ["session", "at", endpoint] => {
                let endpoint = self.endpoint(endpoint)?;
                self.world.found(endpoint);
            }
            ["kill", endpoint] => self.with(endpoint, World::kill)?,
            ["restart", endpoint] => self.with(endpoint, World::restart)?,
            ["pause", endpoint] => self.with(endpoint, World::pause)?,
            ["wake", endpoint] => self.with(endpoint, World::wake)?,
            ["probes", "of", endpoint, "fail"] => {
                let endpoint = self.endpoint(endpoint)?;
                self.world.ailing.insert(endpoint);
            }
            ["probes", "of", endpoint, "pass"] => {
                let endpoint = self.endpoint(endpoint)?;
                self.world.ailing.remove(&endpoint);
            }
            [endpoint, "serves", "badly", times] => self.serves_badly(endpoint, times)?,
            ["store", mood] => self.world.set_mood(match mood {
                "gone" => Mood::Gone,
                "mute" => Mood::Mute,
                "slow" => Mood::Slow(400),
                _ => Mood::Well,
            }),
            ["proxy", proxy, "cannot", "reach", endpoint] => {
                let (proxy, endpoint) = (place(proxy)?, self.endpoint(endpoint)?);
                self.world.part(proxy, endpoint);
            }
            ["proxy", proxy, "reaches", endpoint] => {
                let (proxy, endpoint) = (place(proxy)?, self.endpoint(endpoint)?);
                self.world.join(proxy, endpoint);
            }
            ["admin", wish, endpoint] => self.wish(0, wish, endpoint)?,
            ["admin", "of", proxy, wish, endpoint] => self.wish(place(proxy)?, wish, endpoint)?,
            ["end"] => {
                conclude(&self.world).map_err(|Broken(what)| what)?;
                return Ok(self.clients.keys().map(|name| self.account(name)).collect());
            }
            [name, ref rest @ ..] => return self.client(name, rest),
            [] => {}
        }
        Ok(Vec::new())
    }

    fn client(&mut self, name: &str, does: &[&str]) -> Result<Vec<String>, String> {
        match *does {
            ["opens", kind] => self.opens(name, kind, 0)?,
            ["opens", kind, "at", proxy] => self.opens(name, kind, place(proxy)?)?,
            ["asks"] => return Ok(vec![self.asks(name)]),
            ["forges", "a", "cookie"] => {
                self.cookies.insert(name.into(), "v1.forged".into());
            }
            ["says", count, "commands"] => {
                let count: u64 = count.parse().map_err(|_| "how many commands?")?;
                let opaque = self.opaque;
                let client = self.of(name)?;
                for _ in 0..count {
                    if opaque {
                        client.pong()
                    } else {
                        client.command()
                    }
                }
            }
            ["closes"] => self.of(name)?.close(),
            _ => return Err(format!("nobody knows how {name} {}", does.join(" "))),
        }
        Ok(Vec::new())
    }

    fn opens(&mut self, name: &str, kind: &str, proxy: usize) -> Result<(), String> {
        let session = self.world.store.sessions.len().saturating_sub(1);
        let mut client = Client::new(name, session, kind == "sse");
        client.cookie = self.cookies.get(name).cloned();
        // A rejection is seen like everything else.
        if let Ok(place) = self.world.open(proxy, client) {
            self.clients.insert(name.into(), (proxy, place));
            let client = &self.world.proxies[proxy].connections[place].client;
            if let Some(cookie) = client.cookie.clone() {
                self.cookies.insert(name.into(), cookie);
            }
        }
        Ok(())
    }

    /// A plain request: who would serve it, and what becomes of the cookie.
    fn asks(&mut self, name: &str) -> String {
        let proxy = &self.world.proxies[0];
        match proxy.ask(self.cookies.get(name).map(String::as_str), false) {
            Verdict::Forward(forward) => {
                let mut client = Client::new(name, 0, false);
                proxy.pin(&forward, &mut client);
                let cookie = match client.cookie {
                    Some(cookie) => {
                        self.cookies.insert(name.into(), cookie);
                        ", cookie set"
                    }
                    None => "",
                };
                let (endpoint, why) = (&forward.endpoint.id, forward.why.as_str());
                format!("{name} -> {endpoint}, {why}{cookie}")
            }
            Verdict::Reject { reject, .. } => format!("{name} rejected, {}", reject.as_str()),
        }
    }

    /// What a client got in all.
    fn account(&self, name: &str) -> String {
        let (proxy, place) = self.clients[name];
        let connection = &self.world.proxies[proxy].connections[place];
        let client = &connection.client;
        if self.opaque {
            return format!("{name}: {} echoes to {}", client.echoes, client.said.len());
        }
        let resets = match client.resets {
            0 => String::new(),
            resets => format!(", {resets} resets"),
        };
        if client.sse {
            return format!("{name}: nothing missing{resets}");
        }
        let (answers, commands) = (client.answers, client.commands);
        format!("{name}: {answers} answers to {commands} commands, nothing missing{resets}")
    }

    fn of(&mut self, name: &str) -> Result<&mut Client, String> {
        let known = self.clients.get(name);
        let (proxy, place) = *known.ok_or_else(|| format!("{name} has no connection"))?;
        let connection = &mut self.world.proxies[proxy].connections[place];
        connection.dirty = true;
        Ok(&mut connection.client)
    }

    fn serves_badly(&mut self, endpoint: &str, times: &str) -> Result<(), String> {
        self.endpoint(endpoint)?;
        let times: u32 = times.parse().map_err(|_| "how many times?")?;
        for _ in 0..times {
            self.world.proxies[0].outcome(&id(endpoint), Kind::Answered { status: 502 });
        }
        Ok(())
    }

    fn wish(&mut self, proxy: usize, wish: &str, endpoint: &str) -> Result<(), String> {
        let admin = match wish {
            "drain" => Admin::Drain,
            "maint" => Admin::Maint,
            "ready" => Admin::Ready,
            _ => return Err(format!("{wish} is not drain, maint or ready")),
        };
        let endpoint = self.endpoint(endpoint)?;
        self.world.wish(proxy, endpoint, admin);
        Ok(())
    }

    fn with(&mut self, name: &str, does: fn(&mut World, usize)) -> Result<(), String> {
        let endpoint = self.endpoint(name)?;
        does(&mut self.world, endpoint);
        Ok(())
    }

    fn endpoint(&self, name: &str) -> Result<usize, String> {
        let mut names = self.world.endpoints.iter().map(|endpoint| endpoint.name);
        let found = names.position(|known| known == name);
        found.ok_or_else(|| format!("{name} is no endpoint"))
    }
}

/// Proxies are counted from 1.
fn place(proxy: &str) -> Result<usize, String> {
    match proxy.parse::<usize>() {
        Ok(number) if number > 0 => Ok(number - 1),
        _ => Err(format!("{proxy} is no proxy; they are 1 and 2")),
    }
}
