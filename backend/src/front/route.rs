//! Whom a front asks next. It does for its exchanges what the edge does for endpoints: it follows
//! the name of an owner, and names an owner that it could not reach (section 5 of the contract).

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use holdfast_session::id::{EndpointId, SessionId};

use super::wire::UNKNOWN;
use super::{Front, Lost};
use crate::sessions::Refusal;

/// The way of one question to its answer.
pub(super) struct Route {
    session: Option<SessionId>,
    /// Who is asked now; without one, whoever answers at the configured address.
    owner: Option<Owner>,
    /// Owners that could not be reached on the way.
    gone: Vec<EndpointId>,
    /// How often may still be asked.
    left: u32,
    /// What follows when nobody knows what became of it.
    doubt: Doubt,
    /// Whether the configured address failed once.
    failed: bool,
    /// Whether the configured address refused once.
    refused: bool,
    /// Whether the owner is one that was found by an earlier question.
    recalled: bool,
}

/// Who runs a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) endpoint: EndpointId,
    pub(super) address: String,
}

/// What is known of a session that is not at the configured address.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// Who answered for it last.
    At(Owner),
    /// Who did not answer its last dial, and when that was.
    Silent(EndpointId, Instant),
}

/// What follows when nobody knows what became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It is asked again.
    Again,
    /// Whoever asked is told.
    Told,
    /// It was a dial, whose attempt may have been seen: the edge dials with the next one.
    Redialled,
}

impl Route {
    /// Begins with the owner that was found last.
    pub(super) fn new(front: &Front, session: Option<SessionId>, doubt: Doubt) -> Self {
        let (owner, gone) = match session.and_then(|session| front.known(session)) {
            Some(Known::At(owner)) => (Some(owner), Vec::new()),
            Some(Known::Silent(endpoint, when)) if when.elapsed() < SILENT_FOR => {
                (None, vec![endpoint])
            }
            _ => (None, Vec::new()),
        };
        Self {
            session,
            recalled: owner.is_some(),
            owner,
            gone,
            left: ASKED_MAX,
            doubt,
            failed: false,
            refused: false,
        }
    }

    /// Where to ask.
    pub(super) fn address<'a>(&'a self, home: &'a str) -> &'a str {
        self.owner.as_ref().map_or(home, |owner| &owner.address)
    }

    /// Whether that is the configured address.
    pub(super) const fn is_home(&self) -> bool {
        self.owner.is_none()
    }

    /// Whom not to wait for.
    pub(super) fn gone(&self) -> &[EndpointId] {
        &self.gone
    }

    /// What became of the last question: its answer, or that another one is to be asked.
    pub(super) fn after<T>(
        &mut self,
        front: &Front,
        outcome: Result<Result<T, Refusal>, Lost>,
    ) -> ControlFlow<Result<T, Refusal>> {
        self.left -= 1;
        let recalled = std::mem::take(&mut self.recalled);
        match outcome {
            Ok(Err(Refusal::Owner { endpoint, address })) => {
                // an owner that nobody else may take it from yet, and that is not to be reached
                if self.gone.contains(&endpoint) || self.left == 0 {
                    return ControlFlow::Break(Err(Refusal::unavailable(CHANGING)));
                }
                self.owner = Some(Owner { endpoint, address });
                ControlFlow::Continue(())
            }
            // it may be leaving: others may have the session, or take it over
            Ok(Err(Refusal::Unavailable { .. })) if recalled => {
                self.forget(front);
                ControlFlow::Continue(())
            }
            // others may answer at the same address, over another connection
            Ok(Err(Refusal::Unavailable { .. })) if self.is_home() && !self.refused => {
                self.refused = true;
                front.inner.forget(&front.inner.home);
                self.go_on()
            }
            Ok(answer) => {
                if let (Some(session), true) = (self.session, answer.is_ok()) {
                    front.note(session, self.owner.take().map(Known::At));
                }
                ControlFlow::Break(answer)
            }
            Err(lost) => self.lost(front, lost),
        }
    }

    fn lost<T>(&mut self, front: &Front, lost: Lost) -> ControlFlow<Result<T, Refusal>> {
        let owner = self.forget(front);
        tracing::debug!(?owner, %lost, "an exchange did not answer");
        let unknown = matches!(lost, Lost::Unknown(_));
        match (unknown, self.doubt) {
            (true, Doubt::Told) => return ControlFlow::Break(Err(Refusal::Unknown(UNKNOWN))),
            (true, Doubt::Redialled) => {
                if let (Some(session), Some(owner)) = (self.session, owner) {
                    let silent = Known::Silent(owner.endpoint, Instant::now());
                    front.note(session, Some(silent));
                }
                return ControlFlow::Break(Err(Refusal::unavailable(UNREACHABLE)));
            }
            _ => {}
        }
        match owner {
            Some(owner) => self.gone.push(owner.endpoint),
            // a connection that has lain idle breaks when it is next used
            None if unknown && !self.failed => self.failed = true,
            None => return ControlFlow::Break(Err(Refusal::unavailable(UNREACHABLE))),
        }
        self.go_on()
    }

    fn go_on<T>(&self) -> ControlFlow<Result<T, Refusal>> {
        match self.left {
            0 => ControlFlow::Break(Err(Refusal::unavailable(CHANGING))),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Goes on at the configured address.
    fn forget(&mut self, front: &Front) -> Option<Owner> {
        if let Some(session) = self.session {
            front.note(session, None);
        }
        self.owner.take()
    }
}

const CHANGING: &str = "the session is changing hands";
const UNREACHABLE: &str = "the exchange cannot be reached";
/// The configured address, an owner that is gone, the address again, the new owner, and one more.
const ASKED_MAX: u32 = 5;
/// An owner that did not answer a dial is named to the configured address for so long: above the
/// time until the edge dials again, at whichever front.
const SILENT_FOR: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "home:1";

    fn route(front: &Front, doubt: Doubt) -> Route {
        Route::new(front, Some(SessionId::new(1)), doubt)
    }

    fn elsewhere(name: &str) -> Result<Result<(), Refusal>, Lost> {
        Ok(Err(Refusal::Owner {
            endpoint: name.parse().expect("a name"),
            address: format!("{name}:1"),
        }))
    }

    fn unreached() -> Result<Result<(), Refusal>, Lost> {
        Err(Lost::Unreached("refused".into()))
    }

    fn unknown() -> Result<Result<(), Refusal>, Lost> {
        Err(Lost::Unknown("broke off".into()))
    }

    #[test]
    fn an_owner_is_followed_and_remembered_for_the_next_question() {
        let front = Front::of_tests(HOME);
        let mut first = route(&front, Doubt::Again);
        assert_eq!(first.address(HOME), HOME);
        assert!(first.after(&front, elsewhere("b")).is_continue());
        assert_eq!(first.address(HOME), "b:1");
        let answered = first.after(&front, Ok(Ok(())));
        assert_eq!(answered, ControlFlow::Break(Ok(())));
        let mut second = route(&front, Doubt::Again);
        assert_eq!(second.address(HOME), "b:1");
        assert!(second.after(&front, elsewhere("c")).is_continue());
        assert_eq!(second.address(HOME), "c:1");
    }

    #[test]
    fn an_owner_that_is_not_reached_is_named_where_its_session_may_be_taken_over() {
        let front = Front::of_tests(HOME);
        let mut route = route(&front, Doubt::Told);
        assert!(route.after(&front, elsewhere("b")).is_continue());
        assert!(route.after(&front, unreached()).is_continue());
        assert_eq!(route.address(HOME), HOME);
        assert_eq!(route.gone(), ["b".parse().expect("a name")]);
        // it was taken too short a time ago: to be asked again later
        let answer = route.after(&front, elsewhere("b"));
        let ControlFlow::Break(Err(Refusal::Unavailable { problem, .. })) = answer else {
            panic!("{answer:?}");
        };
        assert!(problem.retryable);
    }

    #[test]
    fn what_may_have_been_done_is_not_done_again_unless_it_has_a_key() {
        let front = Front::of_tests(HOME);
        let answer = route(&front, Doubt::Told).after(&front, unknown());
        assert_eq!(answer, ControlFlow::Break(Err(Refusal::Unknown(UNKNOWN))));
        let mut repeatable = route(&front, Doubt::Again);
        assert!(repeatable.after(&front, unknown()).is_continue());
        let answer = repeatable.after(&front, unknown());
        let unavailable = Refusal::unavailable(UNREACHABLE);
        assert_eq!(answer, ControlFlow::Break(Err(unavailable)));
    }

    #[test]
    fn an_owner_from_before_that_refuses_is_asked_for_at_the_configured_address() {
        let front = Front::of_tests(HOME);
        let mut first = route(&front, Doubt::Again);
        assert!(first.after(&front, elsewhere("b")).is_continue());
        assert!(first.after(&front, Ok(Ok(()))).is_break());
        let leaving = || {
            Ok(Err::<(), _>(Refusal::unavailable(
                "this endpoint is leaving",
            )))
        };
        let mut second = route(&front, Doubt::Again);
        assert_eq!(second.address(HOME), "b:1");
        assert!(second.after(&front, leaving()).is_continue());
        assert_eq!(second.address(HOME), HOME);
        assert!(second.gone().is_empty(), "it was reached");
        let again = second.after(&front, leaving());
        assert!(again.is_continue(), "others may answer at the address");
        assert_eq!(second.address(HOME), HOME);
        let answer = second.after(&front, leaving());
        assert!(answer.is_break(), "then the word of the address stands");
    }

    #[test]
    fn a_dial_that_may_have_been_seen_is_not_sent_again_and_its_owner_is_named_to_the_next() {
        let front = Front::of_tests(HOME);
        let mut first = route(&front, Doubt::Redialled);
        assert!(first.after(&front, elsewhere("b")).is_continue());
        let answer = first.after(&front, unknown());
        let unavailable = || ControlFlow::Break(Err(Refusal::unavailable(UNREACHABLE)));
        assert_eq!(answer, unavailable());
        let mut second = route(&front, Doubt::Redialled);
        assert_eq!(second.address(HOME), HOME);
        assert_eq!(second.gone(), ["b".parse().expect("a name")]);
        assert!(second.after(&front, Ok(Ok(()))).is_break());
        let mut third = route(&front, Doubt::Redialled);
        assert!(third.gone().is_empty(), "it was taken over");
        assert_eq!(third.after(&front, unknown()), unavailable());
        // one that was not reached has seen nothing
        let mut fourth = route(&front, Doubt::Redialled);
        assert!(fourth.after(&front, elsewhere("c")).is_continue());
        assert!(fourth.after(&front, unreached()).is_continue());
    }

    #[test]
    fn owners_that_name_each_other_are_not_followed_for_ever() {
        let front = Front::of_tests(HOME);
        let mut route = route(&front, Doubt::Again);
        let names = ["b", "c"].into_iter().cycle();
        let asked = names.map(|name| route.after(&front, elsewhere(name)));
        let asked = asked.take_while(ControlFlow::is_continue).count();
        assert_eq!(asked as u32, ASKED_MAX - 1);
    }
}
