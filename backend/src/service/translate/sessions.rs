//! Sessions and their simulators, from and to protobuf messages.

use std::collections::BTreeMap;

use holdfast_exchange::{Decimal, ShockRequest, Side, Span};
use holdfast_proto::session::v1 as session;
use holdfast_session::message::{
    Command, Empty, SessionUpdate, SimulatorJump, SimulatorShock, SimulatorSpeed, SimulatorStep,
};
use holdfast_session::view;

use super::{given, invalid, lasting, missing};
use crate::failure::Failure;
use crate::sessions::{ForkRequest, Present};

pub(in crate::service) fn session(view: view::Session) -> session::Session {
    let symbols = view.symbols.into_iter().map(|symbol| session::Symbol {
        symbol: symbol.symbol,
        tick: symbol.tick,
        lot: symbol.lot,
    });
    session::Session {
        id: view.id,
        state: simulator_state(view.state).into(),
        endpoint: view.endpoint,
        epoch: view.epoch,
        seq: view.seq,
        symbols: symbols.collect(),
        scenario: view.scenario,
        seed: view.seed,
        generation: view.generation,
        created_ms: view.created_ms,
        labels: view.labels.into_iter().collect(),
        expires_ms: view.expires_ms,
        idle_expires_ms: view.idle_expires_ms,
        cancel_on_disconnect_ms: view.cancel_on_disconnect_ms,
        active_ms: view.active_ms,
        forked_from: view.forked_from.unwrap_or_default(),
    }
}

pub(in crate::service) fn simulator(view: &view::Simulator) -> session::Simulator {
    session::Simulator {
        state: simulator_state(view.state).into(),
        speed: view.speed,
        time: view.time,
        scenario: view.scenario.clone(),
    }
}

fn simulator_state(state: view::SimulatorState) -> session::SimulatorState {
    match state {
        view::SimulatorState::Running => session::SimulatorState::Running,
        view::SimulatorState::Paused => session::SimulatorState::Paused,
        view::SimulatorState::Stopped => session::SimulatorState::Stopped,
    }
}

pub(in crate::service) fn wanted(
    request: session::CreateSessionRequest,
) -> Result<view::SessionRequest, Failure> {
    Ok(view::SessionRequest {
        scenario: given(request.scenario),
        seed: request.seed,
        speed: request.speed,
        paused: request.paused,
        labels: request.labels.into_iter().collect(),
        expires_in: lasting("expires_in", &request.expires_in)?,
        idle_expires_in: lasting("idle_expires_in", &request.idle_expires_in)?,
        cancel_on_disconnect: lasting("cancel_on_disconnect", &request.cancel_on_disconnect)?,
    })
}

pub(in crate::service) fn update(
    request: session::UpdateSessionRequest,
) -> Result<SessionUpdate, Failure> {
    let set = request.set_labels.into_iter();
    let removed = request.remove_labels.into_iter().map(|key| (key, None));
    let labels: BTreeMap<_, _> = set.map(|(key, value)| (key, Some(value))).collect();
    Ok(SessionUpdate {
        labels: labels.into_iter().chain(removed).collect(),
        expires_in: lasting("expires_in", &request.expires_in)?,
        idle_expires_in: lasting("idle_expires_in", &request.idle_expires_in)?,
        cancel_on_disconnect: lasting("cancel_on_disconnect", &request.cancel_on_disconnect)?,
    })
}

pub(in crate::service) fn fork(
    request: session::ForkSessionRequest,
) -> Result<ForkRequest, Failure> {
    Ok(ForkRequest {
        at: given(request.at),
        labels: request.labels.into_iter().collect(),
        expires_in: lasting("expires_in", &request.expires_in)?,
        idle_expires_in: lasting("idle_expires_in", &request.idle_expires_in)?,
        cancel_on_disconnect: lasting("cancel_on_disconnect", &request.cancel_on_disconnect)?,
    })
}

/// In this state, or in any.
pub(in crate::service) fn state(state: session::SimulatorState) -> Option<view::SimulatorState> {
    match state {
        session::SimulatorState::Unspecified => None,
        session::SimulatorState::Running => Some(view::SimulatorState::Running),
        session::SimulatorState::Paused => Some(view::SimulatorState::Paused),
        session::SimulatorState::Stopped => Some(view::SimulatorState::Stopped),
    }
}

pub(in crate::service) fn control(
    request: &session::ControlSimulatorRequest,
) -> Result<Command, Failure> {
    use session::SimulatorAction as Action;
    match request.action() {
        Action::Start => Ok(Command::SimulatorStart(Empty {})),
        Action::Pause => Ok(Command::SimulatorPause(Empty {})),
        Action::Resume => Ok(Command::SimulatorResume(Empty {})),
        Action::Stop => Ok(Command::SimulatorStop(Empty {})),
        Action::Speed => Ok(Command::SimulatorSpeed(SimulatorSpeed {
            speed: request.speed,
        })),
        Action::Step => Ok(Command::SimulatorStep(SimulatorStep {
            ticks: Some(request.ticks).filter(|ticks| *ticks > 0),
        })),
        Action::Jump => Ok(Command::SimulatorJump(SimulatorJump {
            by: given(request.by.clone())
                .map(|by| span("by", &by))
                .transpose()?,
            to: request.to,
        })),
        Action::Unspecified => Err(missing(
            "action",
            "START, PAUSE, RESUME, STOP, SPEED, STEP or JUMP",
        )),
    }
}

pub(in crate::service) fn shock(
    symbol: String,
    shock: Option<session::shock_simulator_request::Shock>,
) -> Result<SimulatorShock, Failure> {
    use session::shock_simulator_request::Shock;
    let asked = match shock {
        Some(Shock::News(news)) => ShockRequest::News {
            symbol,
            basis_points: news.basis_points,
        },
        Some(Shock::Sweep(sweep)) => ShockRequest::Sweep {
            symbol,
            side: if sweep.buys { Side::Buy } else { Side::Sell },
            quantity: Decimal::from(sweep.quantity),
            over: span("over", &sweep.over)?,
        },
        Some(Shock::Halt(halt)) => ShockRequest::Halt {
            symbol,
            lasts: span("lasts", &halt.lasts)?,
        },
        Some(Shock::Thin(thin)) => ShockRequest::Thin {
            symbol,
            // what is too much for the type is too much for the exchange, which says so
            basis_points: u16::try_from(thin.basis_points).unwrap_or(u16::MAX),
        },
        None => return Err(missing("shock", "news, sweep, halt or thin")),
    };
    Ok(SimulatorShock(asked))
}

pub(in crate::service) fn present(present: Present) -> session::Connection {
    session::Connection {
        client: present.client,
        transport: present.transport,
        attempt: present.attempt,
        since_ms: present.since_ms,
    }
}

fn span(name: &str, text: &str) -> Result<Span, Failure> {
    Span::parse(text).map_err(|error| invalid(name, text, error))
}
