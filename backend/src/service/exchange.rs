//! One session's exchange by gRPC.

use std::pin::Pin;

use futures_util::Stream;
use holdfast_proto::exchange::v1::exchange_server::Exchange;
use holdfast_proto::exchange::v1::{
    AmendOrderRequest, AmendOrderResponse, CancelOrderRequest, CancelOrderResponse, GetBookRequest,
    GetBookResponse, ListOrdersRequest, ListOrdersResponse, ListPositionsRequest,
    ListPositionsResponse, ListTradesRequest, ListTradesResponse, PlaceOrderRequest,
    PlaceOrderResponse, StreamMarketDataRequest, StreamMarketDataResponse,
};
use holdfast_session::id::ConnectionId;
use holdfast_session::message::{Command, OrderCancel};
use holdfast_session::subscription::{Channels, Coalesce};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::Service;
use super::translate::{
    amendment, key, levels, order, order_request, position, session_id, taken, trade,
};
use crate::app::Backend;
use crate::failure::Failure;
use crate::random;
use crate::sessions::{CommandRequest, Dial, Ending, OrdersQuery, Outgoing, Output, Transport};

type Events = Pin<Box<dyn Stream<Item = Result<StreamMarketDataResponse, Status>> + Send>>;

#[tonic::async_trait]
impl Exchange for Service {
    type StreamMarketDataStream = Events;

    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<PlaceOrderResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let wanted = CommandRequest {
            idempotency_key: key(&request.idempotency_key)?,
            command: Command::OrderNew(order_request(request)?),
        };
        let placed = self.0.order_command(id, &ask, wanted).await?;
        Ok(Response::new(PlaceOrderResponse {
            order: Some(order(placed)),
        }))
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let wanted = CommandRequest {
            idempotency_key: key(&request.idempotency_key)?,
            command: Command::OrderCancel(OrderCancel {
                order_id: request.order_id,
            }),
        };
        let cancelled = self.0.order_command(id, &ask, wanted).await?;
        Ok(Response::new(CancelOrderResponse {
            order: Some(order(cancelled)),
        }))
    }

    async fn amend_order(
        &self,
        request: Request<AmendOrderRequest>,
    ) -> Result<Response<AmendOrderResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let wanted = CommandRequest {
            idempotency_key: key(&request.idempotency_key)?,
            command: Command::OrderAmend(amendment(request)),
        };
        let amended = self.0.order_command(id, &ask, wanted).await?;
        Ok(Response::new(AmendOrderResponse {
            order: Some(order(amended)),
        }))
    }

    async fn list_orders(
        &self,
        request: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let query = OrdersQuery {
            open_only: request.open_only,
            limit: bounded(request.limit, 500),
            cursor: Some(request.cursor).filter(|cursor| !cursor.is_empty()),
        };
        let page = self
            .0
            .sessions
            .orders(id, &ask, query)
            .await
            .map_err(Failure::from)?;
        Ok(Response::new(ListOrdersResponse {
            orders: page.orders.into_iter().map(order).collect(),
            next: page.next.unwrap_or_default(),
        }))
    }

    async fn get_book(
        &self,
        request: Request<GetBookRequest>,
    ) -> Result<Response<GetBookResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let book = self.0.sessions.book(id, &ask, &request.symbol).await;
        let book = book.map_err(Failure::from)?;
        let depth = bounded(request.depth, 1_000).unwrap_or(20);
        Ok(Response::new(GetBookResponse {
            bids: levels(book.bids, depth),
            asks: levels(book.asks, depth),
        }))
    }

    async fn list_trades(
        &self,
        request: Request<ListTradesRequest>,
    ) -> Result<Response<ListTradesResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let trades = self.0.sessions.trades(id, &ask, &request.symbol).await;
        let trades = trades.map_err(Failure::from)?;
        let skipped =
            bounded(request.limit, 1_000).map_or(0, |limit| trades.len().saturating_sub(limit));
        Ok(Response::new(ListTradesResponse {
            trades: trades.into_iter().skip(skipped).map(trade).collect(),
        }))
    }

    async fn list_positions(
        &self,
        request: Request<ListPositionsRequest>,
    ) -> Result<Response<ListPositionsResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let positions = self
            .0
            .sessions
            .positions(id, &ask)
            .await
            .map_err(Failure::from)?;
        Ok(Response::new(ListPositionsResponse {
            positions: positions.into_iter().map(position).collect(),
        }))
    }

    async fn stream_market_data(
        &self,
        request: Request<StreamMarketDataRequest>,
    ) -> Result<Response<Events>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let dial = dial(request)?;
        let counted = self.0.streams.open(ask.subject.as_deref())?;
        let attachment = self
            .0
            .sessions
            .open(id, &ask, dial)
            .await
            .map_err(Failure::from)?;
        let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
        let backend = std::sync::Arc::clone(&self.0);
        self.0.tracker.spawn(async move {
            backend.metrics.stream_began("grpc");
            let reason = pump(&backend, attachment.output, sender).await;
            backend.metrics.stream_ended("grpc", reason);
            drop((counted, attachment.input));
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

fn dial(request: StreamMarketDataRequest) -> Result<Dial, Failure> {
    let channels = match request.channels.as_slice() {
        [] => Channels::ALL,
        names => Channels::named(names.iter().map(String::as_str))
            .map_err(|error| Failure::bad_request(error.to_string()))?,
    };
    let coalesce = match request.coalesce.as_str() {
        "" => Coalesce::None,
        text => text
            .parse()
            .map_err(|error| Failure::bad_request(format!("coalesce: {error}")))?,
    };
    Ok(Dial {
        connection: ConnectionId::new(random::bits128()),
        attempt: 1,
        last_event_id: Some(request.last_event_id).filter(|id| !id.is_empty()),
        generation: None,
        client: None,
        channels,
        coalesce,
        transport: Transport::Grpc,
    })
}

/// From the session to the stream, until either ends; says which.
async fn pump(
    backend: &Backend,
    mut output: Output,
    sender: mpsc::Sender<Result<StreamMarketDataResponse, Status>>,
) -> &'static str {
    loop {
        let outgoing = tokio::select! {
            outgoing = output.next() => outgoing,
            () = sender.closed() => return "client",
        };
        let message = match outgoing {
            Outgoing::Delivery(delivery) => Ok(StreamMarketDataResponse {
                id: delivery.id.to_string(),
                prev: delivery.prev.to_string(),
                r#type: delivery.kind.to_owned(),
                data_json: delivery.body.to_string(),
            }),
            Outgoing::Accepted(_) | Outgoing::Notice(_) => continue,
            Outgoing::Ended(ending) => Err(ended(ending)),
        };
        let last = message.is_err();
        match timeout(backend.config.timeouts.write, sender.send(message)).await {
            Ok(Ok(())) if !last => {}
            Ok(Ok(())) => return "ended",
            Ok(Err(_)) => return "client",
            Err(_) => return "slow",
        }
    }
}

fn ended(ending: Ending) -> Status {
    use holdfast_proto::error::Code;
    let (code, detail) = match ending {
        Ending::Ended => (Code::SessionEnded, "the session was ended"),
        Ending::Moved => (
            Code::Unavailable,
            "the session goes on elsewhere; come again",
        ),
        Ending::Replaced | Ending::Protocol => (Code::StaleAttempt, "another stream took over"),
    };
    Failure::new(code, detail).into()
}

/// 0 is the default; more than the most is the most.
fn bounded(asked: u32, most: usize) -> Option<usize> {
    (asked > 0).then(|| most.min(asked as usize))
}

/// Messages that wait for the stream's window; beyond, the session coalesces.
const MESSAGES_MAX: usize = 16;
