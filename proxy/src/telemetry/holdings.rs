//! What the relays hold, as metrics of this moment.

use holdfast_core::connection::{Buffer, Holdings};
use prometheus::proto::MetricFamily;

use super::Maker;

pub(super) fn families(holdings: &Holdings) -> Vec<MetricFamily> {
    let make = Maker(prometheus::Registry::new());
    let parked = make.gauge(
        "holdfast_parked",
        "Connections that wait for an endpoint to take them",
    );
    parked.set(number(holdings.parked()));
    let bytes = make.gauge(
        "holdfast_held_bytes",
        "Messages that relays hold: not whole, not accepted, or not taken by their reader",
    );
    bytes.set(number(holdings.bytes()));
    let full = make.counters(
        "holdfast_buffer_full_total",
        "Times a connection was not read because a bound was reached, by buffer: unaccepted \
         (client messages), downstream (a slow reader), process (all connections together)",
        &["buffer"],
    );
    for buffer in Buffer::ALL {
        full.with_label_values(&[buffer.as_str()])
            .inc_by(holdings.full(buffer));
    }
    make.0.gather()
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
