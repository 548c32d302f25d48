//! A world with clients in it, acted upon line by line, and watched.

use std::collections::BTreeMap;

use holdfast_core::cluster::Contract;
use holdfast_core::health::Kind;
use holdfast_core::{Reject, Verdict};

use crate::act::{Act, Words};
use crate::audit::{Broken, Watch, conclude};
use crate::client::Client;
use crate::world::{Setup, World, id};

/// Everybody, and who is called what.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) watch: Watch,
    /// Where each client's connection is: proxy and place.
    clients: BTreeMap<String, (usize, usize)>,
    cookies: BTreeMap<String, String>,
    opaque: bool,
}

/// An act that came to nothing.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It cannot be done here.
    Senseless(String),
    Broken(Broken),
}

impl From<Broken> for Failed {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl Stage {
    pub(crate) fn new(setup: Setup) -> Self {
        let opaque = setup.cluster.handoff.contract == Contract::Off;
        Self {
            world: World::new(setup),
            watch: Watch::default(),
            clients: BTreeMap::new(),
            cookies: BTreeMap::new(),
            opaque,
        }
    }

    /// Lets time pass.
    pub(crate) fn until(&mut self, end: u64) -> Result<(), Broken> {
        let watch = &mut self.watch;
        self.world.run_until(end, |world| watch.check(world))
    }

    /// Does what a line says; gives back what is to be told at once.
    pub(crate) fn act(&mut self, act: &Act) -> Result<Vec<String>, Failed> {
        match act {
            Act::Wait => {}
            Act::Session(at) => {
                self.world.found(*at);
            }
            Act::Opens {
                client,
                sse,
                proxy,
                session,
            } => {
                let count = self.world.store.sessions.len();
                let session = session.unwrap_or(count.saturating_sub(1));
                if session >= count && !self.opaque {
                    let what = format!("there is no session {session}");
                    return Err(Failed::Senseless(what));
                }
                // A rejection is seen like everything else.
                let _ = self.open(client, *sse, *proxy, session);
            }
            Act::Asks(client) => return Ok(vec![self.ask(client)]),
            Act::Forges(client) => {
                self.cookies.insert(client.clone(), "v1.forged".into());
            }
            Act::Says {
                client,
                count,
                words,
            } => self.say(client, *count, *words)?,
            Act::Stalls(client) => self.of(client)?.stalled = true,
            Act::Reads(client) => self.of(client)?.stalled = false,
            Act::Closes(client) => self.of(client)?.close(),
            Act::Admin {
                proxy,
                admin,
                endpoint,
            } => self.world.wish(*proxy, *endpoint, *admin),
            Act::Badly { endpoint, times } => {
                let endpoint = id(self.world.endpoints[*endpoint].name);
                let kind = Kind::Answered { status: 500 };
                for _ in 0..*times {
                    self.world.proxies[0].outcome(&endpoint, kind);
                }
            }
            Act::Deed(deed, span) => self.world.perform(deed.clone(), *span),
            Act::When {
                step,
                at,
                deed,
                span,
            } => self.world.hub.lie_in_wait(*step, *at, deed.clone(), *span),
            Act::Well => self.world.heal(),
            Act::End => {
                conclude(&self.world)?;
                return Ok(self.clients.keys().map(|name| self.account(name)).collect());
            }
        }
        Ok(Vec::new())
    }

    fn open(&mut self, name: &str, sse: bool, proxy: usize, session: usize) -> Result<(), Reject> {
        let mut client = Client::new(name, session, sse);
        client.cookie = self.cookies.get(name).cloned();
        let place = self.world.open(proxy, client)?;
        self.clients.insert(name.into(), (proxy, place));
        let client = &self.world.proxies[proxy].connections[place].client;
        if let Some(cookie) = client.cookie.clone() {
            self.cookies.insert(name.into(), cookie);
        }
        Ok(())
    }

    fn say(&mut self, name: &str, count: u64, words: Words) -> Result<(), Failed> {
        let opaque = self.opaque;
        let client = self.of(name)?;
        for _ in 0..count {
            match words {
                Words::Commands if !opaque => client.command(),
                Words::Commands | Words::Pongs => client.pong(),
                Words::Novels => client.novel(),
            }
        }
        Ok(())
    }

    /// A plain request: who would serve it, and what becomes of the cookie.
    fn ask(&mut self, name: &str) -> String {
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

    fn of(&mut self, name: &str) -> Result<&mut Client, Failed> {
        let nobody = || Failed::Senseless(format!("{name} has no connection"));
        let (proxy, place) = *self.clients.get(name).ok_or_else(nobody)?;
        let connection = &mut self.world.proxies[proxy].connections[place];
        connection.dirty = true;
        Ok(&mut connection.client)
    }
}
