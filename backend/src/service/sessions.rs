//! Sessions by gRPC.

use holdfast_proto::session::v1::sessions_server::Sessions;
use holdfast_proto::session::v1::{
    ControlSimulatorRequest, ControlSimulatorResponse, CreateSessionRequest, CreateSessionResponse,
    EndSessionRequest, EndSessionResponse, GetSessionRequest, GetSessionResponse,
    ListSessionsRequest, ListSessionsResponse, SimulatorAction,
};
use holdfast_session::message::{Command, Empty, SimulatorSpeed};
use holdfast_session::view::SessionRequest;
use tonic::{Request, Response, Status};

use super::Service;
use super::translate::{key, missing, session, session_id, simulator, taken};
use crate::failure::Failure;
use crate::sessions::CommandRequest;

#[tonic::async_trait]
impl Sessions for Service {
    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<CreateSessionResponse>, Status> {
        let (ask, request) = taken(request)?;
        let wanted = SessionRequest {
            scenario: Some(request.scenario).filter(|scenario| !scenario.is_empty()),
            seed: request.seed,
        };
        let created = self
            .0
            .create_session(ask.subject.as_deref(), wanted)
            .await?;
        Ok(Response::new(CreateSessionResponse {
            session: Some(session(created)),
        }))
    }

    async fn get_session(
        &self,
        request: Request<GetSessionRequest>,
    ) -> Result<Response<GetSessionResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let found = self
            .0
            .sessions
            .read(id, &ask)
            .await
            .map_err(Failure::from)?;
        Ok(Response::new(GetSessionResponse {
            session: Some(session(found)),
        }))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let (ask, request) = taken(request)?;
        let limit = match request.limit {
            0 => SESSIONS_MAX,
            limit => SESSIONS_MAX.min(limit as usize),
        };
        let found = self.0.sessions.list(ask.subject.as_deref()).await;
        let found = found.map_err(Failure::from)?;
        Ok(Response::new(ListSessionsResponse {
            sessions: found.into_iter().take(limit).map(session).collect(),
        }))
    }

    async fn end_session(
        &self,
        request: Request<EndSessionRequest>,
    ) -> Result<Response<EndSessionResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        self.0.sessions.end(id, &ask).await.map_err(Failure::from)?;
        Ok(Response::new(EndSessionResponse {}))
    }

    async fn control_simulator(
        &self,
        request: Request<ControlSimulatorRequest>,
    ) -> Result<Response<ControlSimulatorResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let wanted = CommandRequest {
            idempotency_key: key(&request.idempotency_key)?,
            command: command(&request)?,
        };
        let answer = self
            .0
            .sessions
            .command(id, &ask, wanted)
            .await
            .map_err(Failure::from)?;
        if let Some(problem) = answer.error {
            return Err(Failure::of_answer(problem).into());
        }
        let now = self
            .0
            .sessions
            .simulator(id, &ask)
            .await
            .map_err(Failure::from)?;
        Ok(Response::new(ControlSimulatorResponse {
            simulator: Some(simulator(&now)),
        }))
    }
}

fn command(request: &ControlSimulatorRequest) -> Result<Command, Failure> {
    match request.action() {
        SimulatorAction::Start => Ok(Command::SimulatorStart(Empty {})),
        SimulatorAction::Pause => Ok(Command::SimulatorPause(Empty {})),
        SimulatorAction::Resume => Ok(Command::SimulatorResume(Empty {})),
        SimulatorAction::Stop => Ok(Command::SimulatorStop(Empty {})),
        SimulatorAction::Speed => Ok(Command::SimulatorSpeed(SimulatorSpeed {
            speed: request.speed,
        })),
        SimulatorAction::Unspecified => {
            Err(missing("action", "START, PAUSE, RESUME, STOP or SPEED"))
        }
    }
}

const SESSIONS_MAX: usize = 100;
