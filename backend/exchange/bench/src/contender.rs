//! The engines, each behind the same three operations.

use crate::flow::{LOTS, Operation};
use holdfast_exchange as exchange;
use holdfast_exchange::{AccountId, Command, Event, Events, Exchange, NewOrder, OrderId, SymbolId};
use std::collections::HashMap;

pub(crate) trait Contender {
    const NAME: &str;
    fn new() -> Self;
    fn apply(&mut self, operation: &Operation);
}

/// Ours, whole: risk checks, fees, positions, execution reports and book updates included.
pub(crate) struct Holdfast {
    exchange: Exchange,
    events: Events,
    /// Working orders and where each is in the list; kept only while the input is made.
    live: Vec<u64>,
    places: HashMap<u64, usize>,
}

const MAKER: AccountId = AccountId(0);
const TAKER: AccountId = AccountId(1);

impl Contender for Holdfast {
    const NAME: &str = "holdfast";

    fn new() -> Self {
        let mut scenario = exchange::Scenario::default();
        scenario.symbols.truncate(1);
        scenario.symbols[0].price = "1000.00".into();
        scenario.symbols[0].position = "1000000000".into();
        scenario.deposit = "10000000000".into();
        scenario.leverage = 100;
        scenario.limits.open_orders = 200_000;
        scenario.flow.crowd = None;
        scenario.flow.makers = None;
        scenario.flow.value = None;
        let exchange = Exchange::with_accounts(&scenario, 0, 2).expect("a sound scenario");
        Self {
            exchange,
            events: Events::new(),
            live: Vec::new(),
            places: HashMap::new(),
        }
    }

    fn apply(&mut self, operation: &Operation) {
        let symbol = SymbolId(0);
        let lots = exchange::Quantity(LOTS);
        let (account, command) = match *operation {
            Operation::Add { side, price, .. } => {
                let price = exchange::Price(price);
                (
                    MAKER,
                    Command::Place(NewOrder::limit(symbol, side, price, lots)),
                )
            }
            Operation::Cancel { id } => (MAKER, Command::Cancel(OrderId(id))),
            Operation::Take { side, lots, .. } => {
                let lots = exchange::Quantity(lots);
                (TAKER, Command::Place(NewOrder::market(symbol, side, lots)))
            }
        };
        self.events.clear();
        let verdict = self
            .exchange
            .apply_as(account, 0, &command, &mut self.events);
        assert!(verdict.is_ok(), "{operation:?}: {verdict:?}");
    }
}

impl Holdfast {
    /// Applies and keeps the list of working orders.
    pub(crate) fn apply_watched(&mut self, operation: &Operation) {
        self.watch_new();
        self.apply(operation);
        self.watch();
    }

    /// The makers' working orders.
    pub(crate) fn live(&mut self) -> &[u64] {
        self.watch_new();
        &self.live
    }

    /// Begins the list, if it has not begun.
    fn watch_new(&mut self) {
        if self.live.is_empty() {
            let working = self.exchange.working_orders();
            self.live = working.iter().map(|order| order.id.0).collect();
            self.places = self
                .live
                .iter()
                .enumerate()
                .map(|(place, id)| (*id, place))
                .collect();
        }
    }

    fn watch(&mut self) {
        for event in &self.events {
            let Event::Order(report) = event else {
                continue;
            };
            if report.account != MAKER {
                continue;
            }
            let id = report.id.0;
            if report.status.is_final() {
                if let Some(place) = self.places.remove(&id) {
                    self.live.swap_remove(place);
                    if let Some(moved) = self.live.get(place) {
                        self.places.insert(*moved, place);
                    }
                }
            } else if !self.places.contains_key(&id) {
                self.places.insert(id, self.live.len());
                self.live.push(id);
            }
        }
    }
}

/// The crate orderbook-rs: matching alone, without accounts or reports.
pub(crate) struct OrderbookRs(orderbook_rs::OrderBook<()>);

impl Contender for OrderbookRs {
    const NAME: &str = "orderbook-rs";

    fn new() -> Self {
        Self(orderbook_rs::OrderBook::new("ACME"))
    }

    fn apply(&mut self, operation: &Operation) {
        use pricelevel::{Id, Side, TimeInForce};
        let side = |side| match side {
            exchange::Side::Buy => Side::Buy,
            exchange::Side::Sell => Side::Sell,
        };
        let done = match *operation {
            Operation::Add {
                id,
                side: of,
                price,
            } => {
                let (price, lots) = (price as u128, LOTS as u64);
                let id = Id::from_u64(id);
                self.0
                    .add_limit_order(id, price, lots, side(of), TimeInForce::Gtc, None)
                    .is_ok()
            }
            Operation::Cancel { id } => {
                matches!(self.0.cancel_order(Id::from_u64(id)), Ok(Some(_)))
            }
            Operation::Take { id, side: of, lots } => self
                .0
                .submit_market_order(Id::from_u64(id), lots as u64, side(of))
                .is_ok(),
        };
        assert!(done, "{operation:?} was refused");
    }
}
