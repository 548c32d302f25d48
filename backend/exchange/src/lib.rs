//! A simulated exchange, pure and deterministic: no clock, no I/O, no threads, no floats but in
//! rates, and those through `libm`.
//!
//! ```
//! use holdfast_exchange::{Command, Events, Exchange, NewOrder, Quantity, Scenario, Side};
//!
//! let mut exchange = Exchange::new(&Scenario::default(), 42)?;
//! let mut events = Events::new();
//! exchange.advance(100, &mut events); // a second of trading
//! let acme = exchange.symbol("ACME").expect("a symbol of the default scenario");
//! let order = NewOrder::market(acme, Side::Buy, Quantity(1_500));
//! exchange.apply(100, &Command::Place(order), &mut events)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **The promise.** Events are a function of the scenario, the seed, and the commands with their
//! ticks. A tick is [`TICK_MS`] milliseconds; the caller anchors ticks to wall time. A command
//! stamped with tick T comes after everything that happens by itself up to and in T. Pausing and
//! speed are commands, so a replay pauses and speeds too ([`clock`] says how).
//!
//! **The map.** [`command`] what can be asked, [`event`] what is said, [`refusal`] why not,
//! [`request`] and [`view`] the same as decimal text; `entry`, `matching`, `trigger`, `change` what
//! happens to an order; `book`, `orders`, `index` where it lies; `risk`, `account` who may and who
//! has; `flow` the synthetic market; [`scenario`] all of it as data; `snapshot` the state as bytes.

mod account;
mod audit;
mod book;
mod candle;
mod change;
pub mod checksum;
pub mod clock;
pub mod command;
mod decimal;
mod engine;
mod entry;
pub mod event;
mod exchange;
mod flow;
mod history;
mod index;
mod instrument;
mod market;
mod matching;
mod orders;
mod query;
pub mod refusal;
pub mod request;
mod risk;
pub mod scenario;
mod snapshot;
mod trigger;
mod units;
pub mod view;

pub use candle::{Candle, IntervalError};
pub use clock::SimulatorState;
pub use command::{Amend, Amount, Command, Control, Kind, NewOrder, SelfTrade, Shock, TimeInForce};
pub use decimal::{Decimal, DecimalError, Increment};
pub use event::{
    BookUpdate, CandleClosed, Condition, Event, Events, Execution, Fill, Level, OrderReport,
    OrderStatus, PositionReport, SimulatorReport, Trade,
};
pub use exchange::{Accepted, Exchange};
pub use flow::{
    ClusterSettings, CrowdSettings, FlowSettings, LargeOrderSettings, MakerSettings,
    MomentumSettings, QueueSettings, Scheduled, ShockRequest, ValueSettings,
};
pub use instrument::{Instrument, InstrumentError, money, money_text};
pub use query::{Depth, Funds};
pub use refusal::Refusal;
pub use request::{AmendRequest, OrderRequest};
pub use scenario::{Scenario, ScenarioError, Span};
pub use snapshot::{FORMAT, RestoreError};
pub use units::{
    AccountId, Money, OrderId, Price, Quantity, Side, SymbolId, TICK_MS, TICKS_PER_SECOND, TradeId,
};
