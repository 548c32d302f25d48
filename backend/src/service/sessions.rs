//! Sessions by gRPC.

use holdfast_proto::session::v1::sessions_server::Sessions;
use holdfast_proto::session::v1::{
    ControlSimulatorRequest, ControlSimulatorResponse, CreateSessionRequest, CreateSessionResponse,
    EndSessionRequest, EndSessionResponse, ForkSessionRequest, ForkSessionResponse,
    GetFingerprintRequest, GetFingerprintResponse, GetScenarioRequest, GetScenarioResponse,
    GetSessionRequest, GetSessionResponse, GetSimulatorRequest, GetSimulatorResponse,
    GetSnapshotRequest, GetSnapshotResponse, ListPresenceRequest, ListPresenceResponse,
    ListScenariosRequest, ListScenariosResponse, ListSessionsRequest, ListSessionsResponse,
    RestartSessionRequest, RestartSessionResponse, ResumeSessionRequest, ResumeSessionResponse,
    Scenario, ShockSimulatorRequest, ShockSimulatorResponse, UpdateSessionRequest,
    UpdateSessionResponse,
};
use holdfast_session::message::{Command, SessionRestart};
use tonic::{Request, Response, Status};

use super::Service;
use super::translate::sessions::{
    control, fork, present, session, shock, simulator, state, update, wanted,
};
use super::translate::{given, key, session_id, taken};
use crate::failure::Failure;
use crate::http::sessions::label;
use crate::sessions::{SessionsQuery, scenarios};

#[tonic::async_trait]
impl Sessions for Service {
    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<CreateSessionResponse>, Status> {
        let (ask, request) = taken(request)?;
        let key = key(&request.idempotency_key)?;
        let wanted = wanted(request)?;
        let created = self.0.sessions.create_once(&ask, wanted, key.as_ref());
        let created = created.await.map_err(Failure::from)?;
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
        let found = self.0.sessions.read(id, &ask).await;
        Ok(Response::new(GetSessionResponse {
            session: Some(session(found.map_err(Failure::from)?)),
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
        let query = SessionsQuery {
            labels: request.labels.iter().map(|text| label(text)).collect(),
            state: state(request.state()),
            limit: Some(limit),
            cursor: given(request.cursor),
        };
        let page = self.0.sessions.page(&ask, &query).await;
        let page = page.map_err(Failure::from)?;
        Ok(Response::new(ListSessionsResponse {
            sessions: page.sessions.into_iter().map(session).collect(),
            next: page.next.unwrap_or_default(),
        }))
    }

    async fn update_session(
        &self,
        request: Request<UpdateSessionRequest>,
    ) -> Result<Response<UpdateSessionResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let key = key(&request.idempotency_key)?;
        let command = Command::SessionUpdate(update(request)?);
        let look = self.0.sessions.read(id, &ask);
        let now = self.0.execute_then(id, &ask, key, command, look).await?;
        Ok(Response::new(UpdateSessionResponse {
            session: Some(session(now)),
        }))
    }

    async fn restart_session(
        &self,
        request: Request<RestartSessionRequest>,
    ) -> Result<Response<RestartSessionResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let key = key(&request.idempotency_key)?;
        let command = Command::SessionRestart(SessionRestart {
            scenario: given(request.scenario),
            seed: request.seed,
        });
        let look = self.0.sessions.read(id, &ask);
        let now = self.0.execute_then(id, &ask, key, command, look).await?;
        Ok(Response::new(RestartSessionResponse {
            session: Some(session(now)),
        }))
    }

    async fn fork_session(
        &self,
        request: Request<ForkSessionRequest>,
    ) -> Result<Response<ForkSessionResponse>, Status> {
        let (ask, request) = taken(request)?;
        self.0.feature("fork", self.0.config.features.fork)?;
        let id = session_id(&request.session_id)?;
        let key = key(&request.idempotency_key)?;
        let forked = self.0.sessions.fork(id, &ask, fork(request)?, key.as_ref());
        Ok(Response::new(ForkSessionResponse {
            session: Some(session(forked.await.map_err(Failure::from)?)),
        }))
    }

    async fn resume_session(
        &self,
        request: Request<ResumeSessionRequest>,
    ) -> Result<Response<ResumeSessionResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let found = self.0.sessions.read(id, &ask).await;
        let found = found.map_err(Failure::from)?;
        let n = match given(request.client) {
            None => 0,
            Some(client) => {
                let client = client
                    .parse()
                    .map_err(|error| Failure::bad_request(format!("client {client:?}: {error}")))?;
                let last = self.0.sessions.answered(id, &ask, &client).await;
                last.map_err(Failure::from)?
            }
        };
        Ok(Response::new(ResumeSessionResponse {
            last_event_id: format!("{}.{}", found.epoch, found.seq),
            session: Some(session(found)),
            n,
        }))
    }

    async fn get_fingerprint(
        &self,
        request: Request<GetFingerprintRequest>,
    ) -> Result<Response<GetFingerprintResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let found = self.0.sessions.fingerprint(id, &ask).await;
        let found = found.map_err(Failure::from)?;
        Ok(Response::new(GetFingerprintResponse {
            fingerprint: found.fingerprint,
            time: found.time,
            epoch: found.epoch,
            seq: found.seq,
            generation: found.generation,
        }))
    }

    async fn get_snapshot(
        &self,
        request: Request<GetSnapshotRequest>,
    ) -> Result<Response<GetSnapshotResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let snapshot = self.0.sessions.snapshot(id, &ask).await;
        let snapshot = snapshot.map_err(Failure::from)?;
        let data_json = serde_json::to_string(&snapshot).map_err(Failure::internal)?;
        Ok(Response::new(GetSnapshotResponse { data_json }))
    }

    async fn list_presence(
        &self,
        request: Request<ListPresenceRequest>,
    ) -> Result<Response<ListPresenceResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let there = self.0.sessions.presence(id, &ask).await;
        let there = there.map_err(Failure::from)?;
        Ok(Response::new(ListPresenceResponse {
            connections: there.into_iter().map(present).collect(),
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

    async fn get_simulator(
        &self,
        request: Request<GetSimulatorRequest>,
    ) -> Result<Response<GetSimulatorResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let now = self.0.sessions.simulator(id, &ask).await;
        Ok(Response::new(GetSimulatorResponse {
            simulator: Some(simulator(&now.map_err(Failure::from)?)),
        }))
    }

    async fn control_simulator(
        &self,
        request: Request<ControlSimulatorRequest>,
    ) -> Result<Response<ControlSimulatorResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let key = key(&request.idempotency_key)?;
        let look = self.0.sessions.simulator(id, &ask);
        let command = control(&request)?;
        let now = self.0.execute_then(id, &ask, key, command, look).await?;
        Ok(Response::new(ControlSimulatorResponse {
            simulator: Some(simulator(&now)),
        }))
    }

    async fn shock_simulator(
        &self,
        request: Request<ShockSimulatorRequest>,
    ) -> Result<Response<ShockSimulatorResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let key = key(&request.idempotency_key)?;
        let command = Command::SimulatorShock(shock(request.symbol, request.shock)?);
        let look = self.0.sessions.simulator(id, &ask);
        let now = self.0.execute_then(id, &ask, key, command, look).await?;
        Ok(Response::new(ShockSimulatorResponse {
            simulator: Some(simulator(&now)),
        }))
    }

    async fn list_scenarios(
        &self,
        _: Request<ListScenariosRequest>,
    ) -> Result<Response<ListScenariosResponse>, Status> {
        let short = scenarios::all().iter().map(|scenario| Scenario {
            name: scenario.name.clone(),
            description: scenario.description.clone(),
            symbols: scenario
                .symbols
                .iter()
                .map(|symbol| symbol.symbol.clone())
                .collect(),
        });
        Ok(Response::new(ListScenariosResponse {
            scenarios: short.collect(),
        }))
    }

    async fn get_scenario(
        &self,
        request: Request<GetScenarioRequest>,
    ) -> Result<Response<GetScenarioResponse>, Status> {
        let name = request.into_inner().name;
        let found = scenarios::all()
            .iter()
            .find(|scenario| scenario.name == name);
        let found = found.ok_or_else(Failure::no_scenario)?;
        let scenario_json = serde_json::to_string(found).map_err(Failure::internal)?;
        Ok(Response::new(GetScenarioResponse { scenario_json }))
    }
}

const SESSIONS_MAX: usize = 100;
