//! One session's exchange by gRPC.

mod stream;

use holdfast_proto::exchange::v1::exchange_server::Exchange;
use holdfast_proto::exchange::v1::{
    AmendOrderRequest, AmendOrderResponse, BatchOrdersRequest, BatchOrdersResponse,
    CancelOrderRequest, CancelOrderResponse, CancelOrdersAfterRequest, CancelOrdersAfterResponse,
    CancelOrdersRequest, CancelOrdersResponse, GetBookRequest, GetBookResponse, GetOrderRequest,
    GetOrderResponse, GetStatisticsRequest, GetStatisticsResponse, ListBalancesRequest,
    ListBalancesResponse, ListCandlesRequest, ListCandlesResponse, ListFillsRequest,
    ListFillsResponse, ListOrdersRequest, ListOrdersResponse, ListPositionsRequest,
    ListPositionsResponse, ListTradesRequest, ListTradesResponse, PlaceOrderRequest,
    PlaceOrderResponse, StreamMarketDataRequest, TradeRequest,
};
use holdfast_session::message::{Command, OrderCancel};
use tonic::{Request, Response, Status, Streaming};

use super::Service;
use super::translate::orders::{
    amendment, batch, cancel_after, cancel_all, order_request, results,
};
use super::translate::{
    balance, candle, either, fill, given, key, levels, order, position, session_id, statistics,
    taken, trade,
};
use crate::failure::Failure;
use crate::http::market::newest;
use crate::sessions::{FillsQuery, OrdersQuery};
use stream::{Events, Trades};

#[tonic::async_trait]
impl Exchange for Service {
    type StreamMarketDataStream = Events;
    type TradeStream = Trades;

    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<PlaceOrderResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let key = key(&request.idempotency_key)?;
        let command = Command::OrderNew(order_request(request)?);
        let placed = self.0.order_command(id, &ask, key, command).await?;
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
        let key = key(&request.idempotency_key)?;
        let command = Command::OrderCancel(OrderCancel {
            order_id: request.order_id,
        });
        let cancelled = self.0.order_command(id, &ask, key, command).await?;
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
        let key = key(&request.idempotency_key)?;
        let command = Command::OrderAmend(amendment(request));
        let amended = self.0.order_command(id, &ask, key, command).await?;
        Ok(Response::new(AmendOrderResponse {
            order: Some(order(amended)),
        }))
    }

    async fn cancel_orders(
        &self,
        request: Request<CancelOrdersRequest>,
    ) -> Result<Response<CancelOrdersResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let key = key(&request.idempotency_key)?;
        let command = Command::OrderCancelAll(cancel_all(request));
        let done = self.0.execute(id, &ask, key, command).await?;
        Ok(Response::new(CancelOrdersResponse {
            cancelled: done.cancelled.unwrap_or_default(),
        }))
    }

    async fn cancel_orders_after(
        &self,
        request: Request<CancelOrdersAfterRequest>,
    ) -> Result<Response<CancelOrdersAfterResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let key = key(&request.idempotency_key)?;
        let command = Command::OrderCancelAfter(cancel_after(&request.after)?);
        self.0.execute(id, &ask, key, command).await?;
        Ok(Response::new(CancelOrdersAfterResponse {}))
    }

    async fn batch_orders(
        &self,
        request: Request<BatchOrdersRequest>,
    ) -> Result<Response<BatchOrdersResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let key = key(&request.idempotency_key)?;
        let command = Command::OrderBatch(batch(request.operations)?);
        let done = self.0.execute(id, &ask, key, command).await?;
        Ok(Response::new(BatchOrdersResponse {
            results: results(done),
        }))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<GetOrderResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let number = request.order_id.to_string();
        let found = self.0.sessions.order(id, &ask, &number).await;
        Ok(Response::new(GetOrderResponse {
            order: Some(order(found.map_err(Failure::from)?)),
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
            side: either(request.side()),
            status: given(request.status),
            symbol: given(request.symbol),
            limit: bounded(request.limit, 500),
            cursor: given(request.cursor),
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
        let depth = bounded(request.depth, 1_000).unwrap_or(20);
        let book = self.0.sessions.book(id, &ask, &request.symbol, depth).await;
        let book = book.map_err(Failure::from)?;
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
        let trades = newest(trades, bounded(request.limit, 1_000).unwrap_or(usize::MAX));
        Ok(Response::new(ListTradesResponse {
            trades: trades.into_iter().map(trade).collect(),
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

    async fn list_fills(
        &self,
        request: Request<ListFillsRequest>,
    ) -> Result<Response<ListFillsResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let query = FillsQuery {
            symbol: given(request.symbol),
            order_id: Some(request.order_id).filter(|order| *order > 0),
            limit: bounded(request.limit, 500),
            cursor: given(request.cursor),
        };
        let page = self.0.sessions.fills(id, &ask, query).await;
        let page = page.map_err(Failure::from)?;
        Ok(Response::new(ListFillsResponse {
            fills: page.fills.into_iter().map(fill).collect(),
            next: page.next.unwrap_or_default(),
        }))
    }

    async fn list_balances(
        &self,
        request: Request<ListBalancesRequest>,
    ) -> Result<Response<ListBalancesResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let held = self.0.sessions.balance(id, &ask).await;
        Ok(Response::new(ListBalancesResponse {
            balances: vec![balance(held.map_err(Failure::from)?)],
        }))
    }

    async fn list_candles(
        &self,
        request: Request<ListCandlesRequest>,
    ) -> Result<Response<ListCandlesResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let interval = Some(request.interval.as_str()).filter(|text| !text.is_empty());
        let sessions = &self.0.sessions;
        let candles = sessions.candles(id, &ask, &request.symbol, interval);
        let candles = candles.await;
        let limit = bounded(request.limit, 1_000).unwrap_or(100);
        let candles = newest(candles.map_err(Failure::from)?, limit);
        Ok(Response::new(ListCandlesResponse {
            candles: candles.into_iter().map(candle).collect(),
        }))
    }

    async fn get_statistics(
        &self,
        request: Request<GetStatisticsRequest>,
    ) -> Result<Response<GetStatisticsResponse>, Status> {
        let (ask, request) = taken(request)?;
        let id = session_id(&request.session_id)?;
        let counted = self.0.sessions.statistics(id, &ask, &request.symbol).await;
        Ok(Response::new(statistics(counted.map_err(Failure::from)?)))
    }

    async fn trade(
        &self,
        request: Request<Streaming<TradeRequest>>,
    ) -> Result<Response<Trades>, Status> {
        let (ask, messages) = taken(request)?;
        stream::trade(&self.0, ask, messages).await
    }

    async fn stream_market_data(
        &self,
        request: Request<StreamMarketDataRequest>,
    ) -> Result<Response<Events>, Status> {
        let (ask, request) = taken(request)?;
        stream::market_data(&self.0, &ask, request).await
    }
}

/// 0 is the default; more than the most is the most.
fn bounded(asked: u32, most: usize) -> Option<usize> {
    (asked > 0).then(|| most.min(asked as usize))
}
