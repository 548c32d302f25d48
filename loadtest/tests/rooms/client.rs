//! Clients of the rooms, each with its account of what it said and heard.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::support::browser::{Browser, Socket};
use crate::support::eventually;

/// All of them; dropped, they leave.
pub(super) struct Clients {
    accounts: Vec<Arc<Client>>,
    silence: CancellationToken,
    _tasks: JoinSet<()>,
}

/// One client.
struct Client {
    room: String,
    name: String,
    account: Mutex<Account>,
}

#[derive(Default)]
struct Account {
    said: usize,
    /// Texts by number, from 1.
    heard: Vec<String>,
    /// What must never be: a gap, a repetition, an end.
    wrong: Vec<String>,
}

impl Clients {
    /// So many in each room, all connected.
    pub(super) async fn enter(edge: SocketAddr, rooms: usize, each: usize) -> Self {
        let silence = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let mut accounts = Vec::new();
        for at in 0..rooms * each {
            let client = Arc::new(Client {
                room: format!("room-{}", at % rooms),
                name: format!("client-{at}"),
                account: Mutex::default(),
            });
            let socket = Browser::new(edge)
                .websocket(&format!("/{}", client.room))
                .await;
            tasks.spawn(talk(socket, client.clone(), silence.clone()));
            accounts.push(client);
        }
        Self {
            accounts,
            silence,
            _tasks: tasks,
        }
    }

    /// Waits until everybody has heard something that they said from now on.
    pub(super) async fn go_on(&self) {
        for client in &self.accounts {
            let said = client.read(|account| account.said);
            let what = format!("{} hears itself again", client.name);
            eventually(&what, async || {
                client.no_complaints();
                let prefix = format!("{}:", client.name);
                let last = client.read(|account| {
                    let own = account.heard.iter().rev();
                    let own = own.filter_map(|text| text.strip_prefix(&prefix)?.parse().ok());
                    own.take(1).next().unwrap_or(0)
                });
                (last > said).then_some(())
            })
            .await;
        }
    }

    /// Lets everybody fall silent, and holds what they heard against what was said.
    pub(super) async fn check(self) {
        self.silence.cancel();
        for client in &self.accounts {
            let room = || {
                self.accounts
                    .iter()
                    .filter(|other| other.room == client.room)
            };
            let all = room().map(|other| other.read(|account| account.said));
            let all: usize = all.sum();
            let what = format!("{} hears all {all} messages of its room", client.name);
            eventually(&what, async || {
                client.no_complaints();
                (client.read(|account| account.heard.len()) >= all).then_some(())
            })
            .await;
            let heard = client.read(|account| account.heard.clone());
            assert_eq!(
                heard.len(),
                all,
                "{}: nothing is executed twice",
                client.name
            );
            for other in room() {
                let prefix = format!("{}:", other.name);
                let of_other = heard.iter().filter_map(|text| text.strip_prefix(&prefix));
                let of_other: Vec<usize> = of_other.map(|n| n.parse().expect("a number")).collect();
                let said = other.read(|account| account.said);
                let wanted: Vec<usize> = (1..=said).collect();
                assert_eq!(of_other, wanted, "{} hears {}", client.name, other.name);
                assert!(said > 20, "{} had something to say", other.name);
            }
        }
    }
}

impl Client {
    fn read<T>(&self, look: impl FnOnce(&Account) -> T) -> T {
        look(&self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, change: impl FnOnce(&mut Account)) {
        change(&mut self.account.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn no_complaints(&self) {
        let wrong = self.read(|account| account.wrong.clone());
        assert!(wrong.is_empty(), "{}: {wrong:?}", self.name);
    }
}

/// Says something now and then until there is to be silence, and listens for ever.
async fn talk(mut socket: Socket, client: Arc<Client>, silence: CancellationToken) {
    let mut due = interval(SAYS_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = due.tick() => {
                if silence.is_cancelled() {
                    continue;
                }
                // counted before it leaves: it may be heard before this goes on
                let mut text = String::new();
                client.write(|account| {
                    account.said += 1;
                    text = format!("{}:{}", client.name, account.said);
                });
                if let Err(error) = socket.send(Message::text(text)).await {
                    return client.write(|account| account.wrong.push(error.to_string()));
                }
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => client.write(|account| account.hear(&text)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                end => return client.write(|account| account.wrong.push(format!("{end:?}"))),
            },
        }
    }
}

impl Account {
    /// `<number> <text>`
    fn hear(&mut self, message: &str) {
        let due = self.heard.len() + 1;
        match message.split_once(' ') {
            Some((number, text)) if number == due.to_string() => self.heard.push(text.to_owned()),
            _ => self
                .wrong
                .push(format!("expected {due}, heard {message:?}")),
        }
    }
}

const SAYS_EVERY: Duration = Duration::from_millis(100);
