//! Facts as rows: which are new to the ledger, and what each is in the tables.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use holdfast_session::id::SessionId;
use holdfast_session::trail::{Began, Ended, Entry, Executed, Fact, Owner, What};
use serde_json::{Map, Value, json};

use super::LedgerError;
use super::tables::{self, Table};

/// A parcel, read.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Of which session.
    pub session: SessionId,
    /// Of which trail.
    pub trail: String,
    /// The number of its first fact.
    pub first: u64,
    /// The number of its last.
    pub last: u64,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: u64,
    /// The facts; none where the outbox was full.
    pub facts: Option<Vec<Fact>>,
}

/// What was recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Facts that the ledger did not have.
    pub facts: u64,
    /// Facts that were found to be missing for good.
    pub missing: u64,
}

/// An open transaction, as both databases offer it.
#[async_trait]
pub(super) trait Writing: Send {
    /// The trails named in the JSON, locked until the end: session, trail, number of the last fact.
    async fn marks(&mut self, keys: String) -> Result<Vec<(String, String, i64)>, sqlx::Error>;

    /// Writes rows.
    async fn write(&mut self, table: &Table, rows: String) -> Result<(), sqlx::Error>;
}

/// Records parcels inside a transaction.
pub(super) async fn record(
    writing: &mut impl Writing,
    parcels: &[Loaded],
) -> Result<Recorded, LedgerError> {
    let told = |error: sqlx::Error| LedgerError::of(&error);
    let keys = keys(parcels);
    writing
        .write(&tables::KNOWN, keys.clone())
        .await
        .map_err(told)?;
    let marks = writing.marks(keys).await.map_err(told)?;
    let marks = marks
        .into_iter()
        .map(|(session, trail, number)| ((session, trail), number.cast_unsigned()));
    let mut rows = Rows {
        marks: marks.collect(),
        ..Rows::default()
    };
    parcels.iter().for_each(|parcel| rows.parcel(parcel));
    let recorded = rows.recorded;
    for (table, rows) in rows.into_tables() {
        if !rows.is_empty() {
            let mut rows = Value::Array(rows);
            clean(&mut rows);
            let rows = rows.to_string();
            writing.write(table, rows).await.map_err(told)?;
        }
    }
    Ok(recorded)
}

/// Each trail once, in one order for all who lock them.
fn keys(parcels: &[Loaded]) -> String {
    let mut keys: Vec<_> = parcels
        .iter()
        .map(|parcel| (parcel.session.to_string(), &parcel.trail))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let row =
        |(session, trail)| json!({ "session": session, "trail": trail, "number": 0, "missing": 0 });
    keys.into_iter().map(row).collect::<Value>().to_string()
}

/// Session and trail.
type Key = (String, String);

/// What a batch comes to.
#[derive(Default)]
struct Rows {
    /// The last fact of each trail that is in the ledger.
    marks: HashMap<Key, u64>,
    sessions: BTreeMap<String, Map<String, Value>>,
    trails: BTreeMap<Key, Map<String, Value>>,
    orders: BTreeMap<(Key, u64), Value>,
    reports: Vec<Value>,
    fills: Vec<Value>,
    audit: Vec<Value>,
    recorded: Recorded,
}

impl Rows {
    fn parcel(&mut self, parcel: &Loaded) {
        let key = (parcel.session.to_string(), parcel.trail.clone());
        let mark = self.marks.get(&key).copied().unwrap_or(0);
        if parcel.last <= mark {
            return;
        }
        let missing = match &parcel.facts {
            Some(_) => mark + 1..=parcel.first.saturating_sub(1),
            None => mark + 1..=parcel.last,
        };
        if !missing.is_empty() {
            self.gap(&key, *missing.start(), *missing.end(), parcel.at_ms);
        }
        let facts = parcel.facts.iter().flatten();
        for fact in facts.filter(|fact| fact.number > mark) {
            self.recorded.facts += 1;
            self.fact(&key, fact);
        }
        self.trail(&key).insert("number".into(), parcel.last.into());
        self.marks.insert(key, parcel.last);
    }

    fn gap(&mut self, key: &Key, first: u64, last: u64, at_ms: u64) {
        let count = last + 1 - first;
        self.recorded.missing += count;
        let missing = self.trail(key).entry("missing").or_insert(0.into());
        *missing = (missing.as_u64().unwrap_or(0) + count).into();
        let mut row = place(key, first, at_ms);
        row.insert("kind".into(), "gap".into());
        row.insert("data".into(), json!({ "first": first, "last": last }));
        self.audit.push(row.into());
    }

    fn fact(&mut self, key: &Key, fact: &Fact) {
        let row = place(key, fact.number, fact.at_ms);
        match &fact.what {
            What::Began(began) => self.began(key, began, row, fact.at_ms),
            What::Owner(owner) => self.owner(key, owner, row),
            What::Command(executed) => self.audit.push(command(executed, row)),
            What::Order(entry) => self.order(key, entry, row),
            What::Fill(entry) => self.fills.push(fill(entry, row)),
            What::Ended(ended) => self.ended(key, ended, row, fact.at_ms),
        }
    }

    fn began(&mut self, key: &Key, began: &Began, mut row: Map<String, Value>, at_ms: u64) {
        let trail = self.trail(key);
        trail.insert("why".into(), began.why.name().into());
        trail.insert("epoch".into(), began.epoch.as_str().into());
        trail.insert("began_seq".into(), began.seq.into());
        trail.insert("began_ms".into(), at_ms.into());
        let session = self.session(key);
        session.insert("scenario".into(), began.scenario.clone().into());
        session.insert("seed".into(), began.seed.into());
        row.insert("kind".into(), "began".into());
        row.insert("data".into(), json!(began));
        self.audit.push(row.into());
    }

    fn owner(&mut self, key: &Key, owner: &Owner, mut row: Map<String, Value>) {
        let session = self.session(key);
        if let Some(subject) = &owner.subject {
            session.insert("subject".into(), subject.clone().into());
        }
        session.insert("created_ms".into(), owner.created_ms.into());
        session.insert("endpoint".into(), owner.endpoint.clone().into());
        session.insert("generation".into(), owner.generation.into());
        row.insert("kind".into(), "owner".into());
        row.insert("generation".into(), owner.generation.into());
        let data = json!({ "endpoint": owner.endpoint, "incarnation": owner.incarnation });
        row.insert("data".into(), data);
        self.audit.push(row.into());
    }

    fn order(&mut self, key: &Key, entry: &Entry, row: Map<String, Value>) {
        let body = body(entry);
        let mut report = row.clone();
        locate(&mut report, entry);
        take(&mut report, &body, &["order_id", "status", "execution"]);
        let mut order = row;
        take(&mut order, &body, &ORDER);
        order.insert("market_ms".into(), body["time"].clone());
        let order_id = body["order_id"].as_u64().unwrap_or(0);
        report.insert("body".into(), body);
        self.reports.push(report.into());
        // of one order the last state counts: facts come in order
        self.orders.insert((key.clone(), order_id), order.into());
    }

    fn ended(&mut self, key: &Key, ended: &Ended, mut row: Map<String, Value>, at_ms: u64) {
        self.session(key).insert("ended_ms".into(), at_ms.into());
        row.insert("kind".into(), "ended".into());
        row.insert("data".into(), json!(ended));
        self.audit.push(row.into());
    }

    fn session(&mut self, key: &Key) -> &mut Map<String, Value> {
        let session = self.sessions.entry(key.0.clone()).or_default();
        session.insert("id".into(), key.0.clone().into());
        session
    }

    fn trail(&mut self, key: &Key) -> &mut Map<String, Value> {
        let trail = self.trails.entry(key.clone()).or_default();
        trail.insert("session".into(), key.0.clone().into());
        trail.insert("trail".into(), key.1.clone().into());
        trail.entry("missing").or_insert(0.into());
        trail
    }

    fn into_tables(self) -> [(&'static Table, Vec<Value>); 6] {
        let values = |rows: Vec<Map<String, Value>>| rows.into_iter().map(Value::Object).collect();
        [
            (
                &tables::SESSIONS,
                values(self.sessions.into_values().collect()),
            ),
            (&tables::TRAILS, values(self.trails.into_values().collect())),
            (&tables::ORDERS, self.orders.into_values().collect()),
            (&tables::ORDER_REPORTS, self.reports),
            (&tables::FILLS, self.fills),
            (&tables::AUDIT, self.audit),
        ]
    }
}

const ORDER: [&str; 14] = [
    "order_id",
    "symbol",
    "side",
    "type",
    "status",
    "execution",
    "code",
    "quantity",
    "filled",
    "remaining",
    "price",
    "stop_price",
    "average_price",
    "time_in_force",
];

const FILL: [&str; 8] = [
    "trade_id",
    "order_id",
    "symbol",
    "side",
    "price",
    "quantity",
    "fee",
    "liquidity",
];

fn fill(entry: &Entry, mut row: Map<String, Value>) -> Value {
    let body = body(entry);
    locate(&mut row, entry);
    take(&mut row, &body, &FILL);
    row.insert("market_ms".into(), body["time"].clone());
    row.into()
}

fn command(executed: &Executed, mut row: Map<String, Value>) -> Value {
    row.insert("kind".into(), executed.kind.clone().into());
    row.insert("generation".into(), executed.generation.into());
    row.insert("record".into(), executed.record.into());
    if let Some((client, n)) = &executed.number {
        row.insert("client".into(), client.as_str().into());
        row.insert("n".into(), (*n).into());
    }
    row.insert("ok".into(), executed.ok.into());
    row.insert("order_id".into(), executed.order_id.into());
    if let Some(error) = &executed.error {
        row.insert("code".into(), error.code.clone().into());
    }
    row.insert("data".into(), parsed(executed.data.get()));
    row.into()
}

/// What every row of a fact begins with.
fn place(key: &Key, number: u64, at_ms: u64) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("session".into(), key.0.clone().into());
    row.insert("trail".into(), key.1.clone().into());
    row.insert("number".into(), number.into());
    row.insert("at_ms".into(), at_ms.into());
    row
}

fn locate(row: &mut Map<String, Value>, entry: &Entry) {
    row.insert("epoch".into(), entry.epoch.as_str().into());
    row.insert("seq".into(), entry.seq.into());
}

fn take(row: &mut Map<String, Value>, body: &Value, names: &[&str]) {
    for name in names {
        row.insert((*name).into(), body[*name].clone());
    }
}

fn body(entry: &Entry) -> Value {
    parsed(entry.body.get())
}

/// PostgreSQL keeps no NUL in texts; whoever sends one reads a replacement character.
fn clean(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(values) => values.iter_mut().for_each(clean),
        Value::Object(fields) => fields.values_mut().for_each(clean),
        _ => {}
    }
}

/// It was JSON when it was noted.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}
