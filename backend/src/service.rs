//! gRPC: requests to questions for [`crate::sessions`], and back. It only translates.

mod exchange;
mod fronts;
mod handoff;
mod sessions;
mod status;
mod tokens;
mod translate;

use std::sync::Arc;

use axum::Router;
use holdfast_proto::exchange::v1::exchange_server::ExchangeServer;
use holdfast_proto::exchange::v1::fronts_server::FrontsServer;
use holdfast_proto::session::v1::handoff_server::HandoffServer;
use holdfast_proto::session::v1::sessions_server::SessionsServer;
use holdfast_proto::token::v1::tokens_server::TokensServer;
use tonic::Request;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_reflection::server::Builder;

pub use handoff::Handoffs;
pub(crate) use status::status;

use crate::app::Backend;
use crate::identity::Peer;

/// Every service, as routes.
pub(crate) fn router(backend: &Arc<Backend>, health: HealthServer<impl Health>) -> Router {
    let limit = backend.config.limits.body;
    let service = Service(Arc::clone(backend));
    let reflection = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(holdfast_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let whole = "the descriptors were made by the compiler";
    let sessions = SessionsServer::new(service.clone()).max_decoding_message_size(limit);
    let exchange = ExchangeServer::new(service.clone()).max_decoding_message_size(limit);
    let tokens = TokensServer::new(service.clone()).max_decoding_message_size(limit);
    let handoff = HandoffServer::new(service.clone()).max_decoding_message_size(limit);
    // what a front takes from its clients may be more than is taken here
    let fronts = FrontsServer::new(service).max_decoding_message_size(FROM_FRONT_MAX);
    let fronts = InterceptedService::new(fronts, fronts::admit);
    let mut routes = Routes::builder();
    routes
        .add_service(sessions)
        .add_service(exchange)
        .add_service(tokens)
        .add_service(handoff)
        .add_service(fronts)
        .add_service(health)
        .add_service(reflection().build_v1().expect(whole))
        // older tools, such as grpcurl before 1.8.8, ask for nothing else
        .add_service(reflection().build_v1alpha().expect(whole));
    routes.routes().into_axum_router()
}

/// What every service answers from.
#[derive(Clone)]
pub(crate) struct Service(Arc<Backend>);

/// Whether another backend asks: it knows the cluster's key, and came through no proxy, which
/// adds the key to what it forwards, whoever sent it.
fn is_backend<T>(request: &Request<T>) -> bool {
    let trusted = request.extensions().get::<Peer>() == Some(&Peer::Trusted);
    trusted && !request.metadata().contains_key("x-forwarded-for")
}

/// Bytes of one message of a front: twice the largest body that `limits.body` can allow a front's
/// clients (16 MiB), which is written anew.
const FROM_FRONT_MAX: usize = 32 << 20;
