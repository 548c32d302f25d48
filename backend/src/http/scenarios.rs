//! The markets there are, by REST.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use holdfast_exchange::Scenario;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Any, Found};
use crate::failure::Failure;
use crate::sessions::scenarios;

/// A market, in short.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScenarioSummary {
    /// What a session asks for it by.
    #[schema(example = "calm")]
    name: String,
    /// One sentence on what it is like.
    description: String,
    /// What can be traded.
    symbols: Vec<String>,
}

/// The markets there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScenarioList {
    /// The first one is the default.
    scenarios: Vec<ScenarioSummary>,
}

/// Lists the markets that a session can ask for.
#[utoipa::path(
    get, path = "/api/v1/scenarios", tag = "scenarios", operation_id = "list_scenarios",
    responses((status = 200, description = "All there are", body = ScenarioList), Any)
)]
pub(super) async fn list() -> Json<ScenarioList> {
    let summary = |scenario: &Scenario| ScenarioSummary {
        name: scenario.name.clone(),
        description: scenario.description.clone(),
        symbols: scenario
            .symbols
            .iter()
            .map(|symbol| symbol.symbol.clone())
            .collect(),
    };
    let scenarios = scenarios::all().iter().map(summary).collect();
    Json(ScenarioList { scenarios })
}

/// Reads a market: everything about it but its seed, as in `conf/scenarios`.
#[utoipa::path(
    get, path = "/api/v1/scenarios/{name}", tag = "scenarios", operation_id = "read_scenario",
    params(("name" = String, Path, description = "Its name", example = "calm")),
    responses((status = 200, description = "The scenario", body = Object), Found)
)]
pub(super) async fn read(
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<&'static Scenario>, Failure> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let found = scenarios::all()
        .iter()
        .find(|scenario| scenario.name == name);
    found.map(Json).ok_or_else(Failure::no_scenario)
}
