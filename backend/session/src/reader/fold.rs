//! One message for many: what a run of market data comes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::log::{Entry, Kind};
use crate::view::{Book, Level};

/// What one or more entries come to, under the number of the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// The number of the last of them.
    pub seq: u64,
    /// The name of their kind.
    pub kind: &'static str,
    /// A JSON object; of more than one entry it says `"coalesced":true`.
    pub body: Arc<str>,
}

/// Folds market data per kind and symbol, in the order of the last entry of each.
pub fn fold(run: &[&Arc<Entry>]) -> Vec<Folded> {
    let mut groups: BTreeMap<(&'static str, Option<u16>), Vec<&Arc<Entry>>> = BTreeMap::new();
    for entry in run {
        groups
            .entry((entry.kind.name(), entry.symbol))
            .or_default()
            .push(entry);
    }
    let mut folded: Vec<Folded> = groups
        .into_values()
        .filter_map(|g| fold_group(&g))
        .collect();
    folded.sort_unstable_by_key(|folded| folded.seq);
    folded
}

fn fold_group(group: &[&Arc<Entry>]) -> Option<Folded> {
    let last = group.last()?;
    let merged = match (group.len(), last.kind) {
        (1, _) => Arc::clone(&last.body),
        (_, Kind::Book) => books(group).unwrap_or_else(|| mark(&last.body)),
        (_, _) => mark(&last.body),
    };
    Some(Folded {
        seq: last.seq,
        kind: last.kind.name(),
        body: merged,
    })
}

/// Says in the data that it stands for more than itself.
fn mark(body: &str) -> Arc<str> {
    let comma = if body.len() > 2 { "," } else { "" };
    format!(r#"{{"coalesced":true{comma}{}"#, &body[1..]).into()
}

/// The last quantity of every price that changed. `None` when an entry is no
/// book, which no exchange emits.
fn books(group: &[&Arc<Entry>]) -> Option<Arc<str>> {
    let mut changes = group
        .iter()
        .map(|entry| serde_json::from_str::<Book>(&entry.body));
    let mut merged = changes.next()?.ok()?;
    let mut bids: BTreeMap<Price, Level> = levels(merged.bids);
    let mut asks: BTreeMap<Price, Level> = levels(merged.asks);
    for change in changes {
        let change = change.ok()?;
        merged.last = change.last;
        merged.checksum = change.checksum;
        merged.time = change.time;
        bids.extend(levels(change.bids));
        asks.extend(levels(change.asks));
    }
    merged.bids = bids.into_values().rev().collect();
    merged.asks = asks.into_values().collect();
    serde_json::to_string(&merged).ok().map(|body| mark(&body))
}

/// A price without its point: prices of one book have the same number of places,
/// so longer is higher.
type Price = (usize, String);

fn levels(levels: Vec<Level>) -> BTreeMap<Price, Level> {
    levels
        .into_iter()
        .map(|level| ((level[0].len(), level[0].clone()), level))
        .collect()
}
