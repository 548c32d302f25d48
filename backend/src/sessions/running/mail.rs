//! What a session is told and asked.

use std::sync::Arc;

use holdfast_session::engine::{Engine, Incoming, Ticket};
use holdfast_session::id::{ClientId, ConnectionId, EntryId};
use holdfast_session::journal::Asked;
use holdfast_session::log::Log;
use holdfast_session::message::{Answer, Problem, Said, read};
use holdfast_session::view::{LogPage, Session};
use tokio::sync::oneshot;

use super::{Goes, Over, Running};
use crate::clock;
use crate::handoff::Released;
use crate::sessions::queries::page;
use crate::sessions::{Attachment, Dial, Present, Refusal, scenarios};
use crate::store::Fence;

/// One piece of mail.
pub(in crate::sessions) enum Mail {
    /// A connection dials.
    Open {
        dial: Box<Dial>,
        reply: oneshot::Sender<Result<Attachment, Refusal>>,
    },
    /// A leg's client has said something.
    Say {
        connection: ConnectionId,
        attempt: u32,
        text: String,
        /// Why a command must not be done.
        refused: Option<Problem>,
    },
    /// A command without a connection.
    Command {
        number: Option<(ClientId, u64)>,
        asked: Asked,
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
    /// A question that changes nothing.
    Query(Query),
    /// A page of the log, from as far back as a leg could go.
    Log {
        after: Option<EntryId>,
        reply: oneshot::Sender<Result<LogPage, Refusal>>,
    },
    /// Where the session is, for whoever reads its past.
    Whereabouts { reply: oneshot::Sender<Place> },
    /// What the session is, and what it was asked to be like.
    About {
        reply: oneshot::Sender<(Session, Option<u64>)>,
    },
    /// Who is connected.
    Present {
        reply: oneshot::Sender<Vec<Present>>,
    },
    /// A slow reader needs everything.
    Snapshot {
        client: Option<ClientId>,
        reply: oneshot::Sender<(EntryId, Arc<str>)>,
    },
    /// Another endpoint wants the session.
    Release { reply: oneshot::Sender<Released> },
    /// The endpoint leaves, or no longer.
    Leaving(bool),
    /// The session is to end for good.
    End {
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// The session is to be laid down in the store.
    LayDown,
}

/// A question, asked of the engine and the log where they are.
pub(in crate::sessions) type Query = Box<dyn FnOnce(&Engine, &Log) + Send>;

/// Where a session is.
pub(in crate::sessions) struct Place {
    /// What to ask the store with.
    pub(in crate::sessions) fence: Fence,
    /// The last entry of its log.
    pub(in crate::sessions) top: EntryId,
    /// The tick of its journal.
    pub(in crate::sessions) tick: u64,
}

impl Running {
    pub(super) async fn take(&mut self, mail: Mail) -> Goes {
        self.times.asked = clock::now();
        match mail {
            Mail::Open { dial, reply } => return self.open(dial, reply).await,
            Mail::Say {
                connection,
                attempt,
                text,
                refused,
            } => self.say(connection, attempt, text, refused),
            Mail::Command {
                number,
                asked,
                reply,
            } => self.command(number, asked, reply),
            // who asks is told so, and asks who has the session by then
            Mail::Query(_)
            | Mail::Log { .. }
            | Mail::Snapshot { .. }
            | Mail::Whereabouts { .. }
            | Mail::About { .. }
            | Mail::Present { .. }
                if !self.holder.serves() => {}
            Mail::Query(query) => query(&self.engine, &self.shared.log.lock()),
            Mail::Log { after, reply } => {
                let page = self.page(after).await;
                // the asker may have gone meanwhile
                drop(reply.send(page));
            }
            Mail::Whereabouts { reply } => drop(reply.send(self.place())),
            Mail::About { reply } => {
                let about = self.about(&self.place().top);
                drop(reply.send((about, self.engine.terms().asked)));
            }
            Mail::Present { reply } => drop(reply.send(self.present())),
            Mail::Snapshot { client, reply } => {
                // the reader may have gone meanwhile
                drop(reply.send(self.whole(client.as_ref())));
            }
            Mail::Leaving(leaving) => return self.set_leaving(leaving).await,
            Mail::Release { reply } => return self.release(reply).await,
            Mail::End { reply } => return self.end(reply).await,
            Mail::LayDown => return self.lay_down().await,
        }
        Goes::Continue(())
    }

    async fn page(&mut self, after: Option<EntryId>) -> Result<LogPage, Refusal> {
        if let Some(after) = &after {
            self.reach_back(after).await?;
        }
        page(&self.shared.log.lock(), after)
    }

    fn place(&self) -> Place {
        let log = self.shared.log.lock();
        Place {
            fence: self.fence(),
            top: log.id(log.top()),
            tick: self.engine.tick(),
        }
    }

    fn say(
        &mut self,
        connection: ConnectionId,
        attempt: u32,
        text: String,
        refused: Option<Problem>,
    ) {
        let Some(leg) = self
            .legs
            .get(&connection)
            .filter(|leg| leg.attempt == attempt)
        else {
            // an older leg: nothing more is accepted from it
            return;
        };
        if !self.holder.serves() {
            return;
        }
        let said = read(&text);
        let number = |n: Option<u64>| n.map(|n| (leg.client.clone(), n));
        let incoming = match &said {
            Said::Command { n, asked } => Incoming {
                connection: Some(connection),
                number: number(Some(*n)),
                asked: match &refused {
                    Some(problem) => Asked::Unreadable {
                        kind: asked.name().to_owned(),
                        problem: problem.clone(),
                    },
                    None => scenarios::resolved(asked.clone()),
                },
                ticket: None,
            },
            Said::Nothing | Said::Nonsense(_) => Incoming {
                connection: Some(connection),
                number: None,
                asked: Asked::Nothing,
                ticket: None,
            },
        };
        if self.engine.submit(incoming).is_err() {
            self.held = Some(Mail::Say {
                connection,
                attempt,
                text,
                refused,
            });
            return;
        }
        if let Said::Nonsense(problem) = said {
            let notice = serde_json::json!({ "type": "notice", "data": problem });
            leg.notice(notice.to_string());
        }
    }

    fn command(
        &mut self,
        number: Option<(ClientId, u64)>,
        asked: Asked,
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    ) {
        let refusal = if !self.holder.serves() {
            Some(Refusal::unavailable(
                "the session is on its way to another endpoint",
            ))
        } else if self.times.trouble.is_some() {
            Some(Refusal::unavailable(
                "the store does not answer; commands cannot be kept",
            ))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            // the asker may have gone meanwhile
            drop(reply.send(Err(refusal)));
            return;
        }
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let incoming = Incoming {
            connection: None,
            number,
            asked,
            ticket: Some(ticket),
        };
        match self.engine.submit(incoming) {
            Ok(()) => {
                self.tickets.insert(ticket, reply);
            }
            Err(full) => drop(reply.send(Err(Refusal::unavailable(full.to_string())))),
        }
    }

    async fn end(&mut self, reply: oneshot::Sender<Result<(), Refusal>>) -> Goes {
        let ended = self.store.end(self.fence(), self.last_post()).await;
        let answer = ended.clone();
        drop(reply.send(answer.map_err(|error| Refusal::unavailable(error.to_string()))));
        match ended {
            Ok(()) => {
                self.tell_of_the_end();
                Goes::Break(Over::Ended)
            }
            Err(error) if Self::is_lost(&error) => self.refused(error).await,
            Err(_) => Goes::Continue(()),
        }
    }
}
