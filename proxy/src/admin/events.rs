//! What happens, as it happens: an event stream for the operators' page.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use holdfast_core::control::Report;
use holdfast_core::{ClusterName, EndpointId};
use serde_json::json;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

use super::{Admin, problem};
use crate::clock;

pub(super) async fn events(State(admin): State<Admin>) -> Response {
    let Ok(place) = admin.0.watchers.clone().try_acquire_owned() else {
        let detail = "too many pages watch already; close one";
        return problem(StatusCode::SERVICE_UNAVAILABLE, "too_many_watchers", detail);
    };
    let telemetry = admin.0.parts.telemetry.clone();
    let reports = BroadcastStream::new(admin.0.parts.handle.reports());
    let events = reports.map(move |report| {
        let _held_while_watching = &place;
        let event = match report {
            Ok(report) => Event::default().data(line(&report)),
            Err(BroadcastStreamRecvError::Lagged(count)) => {
                telemetry.events_missed(count);
                Event::default().comment(format!("{count} missed"))
            }
        };
        Ok::<_, Infallible>(event)
    });
    Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response()
}

fn line(report: &Report) -> String {
    json!({
        "time": u64::try_from(clock::wall().as_millis()).unwrap_or(u64::MAX),
        "cluster": report.cluster.as_ref().map(ClusterName::as_str),
        "endpoint": report.endpoint.as_ref().map(EndpointId::as_str),
        "what": report.what.as_str(),
        "text": report.what.to_string(),
    })
    .to_string()
}
