//! The tables as they are written: rows go in as one JSON text per table, so that a batch of any
//! size is one statement, and both databases take the same.

/// How one table is written.
pub(super) struct Table {
    name: &'static str,
    /// Names and PostgreSQL's types.
    columns: &'static [(&'static str, &'static str)],
    /// What becomes of rows that are there.
    conflict: &'static str,
}

impl Table {
    /// For PostgreSQL; `$1` is the JSON.
    pub(super) fn postgres(&self) -> String {
        let names = self.names();
        let typed: Vec<_> = self
            .columns
            .iter()
            .map(|(name, kind)| format!("{name} {kind}"))
            .collect();
        let Self { name, conflict, .. } = self;
        let typed = typed.join(", ");
        format!(
            "INSERT INTO {name} ({names}) SELECT {names} \
             FROM jsonb_to_recordset($1::text::jsonb) AS r({typed}) ON CONFLICT {conflict}"
        )
    }

    /// For SQLite; `?1` is the JSON.
    pub(super) fn sqlite(&self) -> String {
        let names = self.names();
        let values: Vec<_> = self
            .columns
            .iter()
            .map(|(name, _)| format!("value->>'{name}'"))
            .collect();
        let Self { name, conflict, .. } = self;
        let values = values.join(", ");
        // without WHERE the grammar takes ON for a join's
        format!(
            "INSERT INTO {name} ({names}) SELECT {values} FROM json_each(?1) WHERE true \
             ON CONFLICT {conflict}"
        )
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// Makes sure that each trail of a batch has a row, which is then locked.
pub(super) const KNOWN: Table = Table {
    name: "trails",
    columns: &[
        ("session", "text"),
        ("trail", "text"),
        ("number", "bigint"),
        ("missing", "bigint"),
    ],
    conflict: "(session, trail) DO NOTHING",
};

pub(super) const TRAILS: Table = Table {
    name: "trails",
    columns: &[
        ("session", "text"),
        ("trail", "text"),
        ("number", "bigint"),
        ("missing", "bigint"),
        ("why", "text"),
        ("epoch", "text"),
        ("began_seq", "bigint"),
        ("began_ms", "bigint"),
    ],
    conflict: "(session, trail) DO UPDATE SET number = excluded.number, \
        missing = trails.missing + excluded.missing, why = coalesce(trails.why, excluded.why), \
        epoch = coalesce(trails.epoch, excluded.epoch), \
        began_seq = coalesce(trails.began_seq, excluded.began_seq), \
        began_ms = coalesce(trails.began_ms, excluded.began_ms)",
};

pub(super) const SESSIONS: Table = Table {
    name: "sessions",
    columns: &[
        ("id", "text"),
        ("subject", "text"),
        ("created_ms", "bigint"),
        ("scenario", "text"),
        ("seed", "bigint"),
        ("endpoint", "text"),
        ("generation", "bigint"),
        ("ended_ms", "bigint"),
    ],
    // facts of two trails may come in any order: the highest generation says who owns it
    conflict: "(id) DO UPDATE SET subject = coalesce(excluded.subject, sessions.subject), \
        created_ms = coalesce(sessions.created_ms, excluded.created_ms), \
        scenario = coalesce(sessions.scenario, excluded.scenario), \
        seed = coalesce(sessions.seed, excluded.seed), \
        ended_ms = coalesce(sessions.ended_ms, excluded.ended_ms), \
        endpoint = CASE WHEN excluded.generation >= coalesce(sessions.generation, 0) \
            THEN excluded.endpoint ELSE sessions.endpoint END, \
        generation = CASE WHEN excluded.generation >= coalesce(sessions.generation, 0) \
            THEN excluded.generation ELSE sessions.generation END",
};

pub(super) const ORDERS: Table = Table {
    name: "orders",
    columns: &[
        ("session", "text"),
        ("trail", "text"),
        ("order_id", "bigint"),
        ("number", "bigint"),
        ("at_ms", "bigint"),
        ("symbol", "text"),
        ("side", "text"),
        ("type", "text"),
        ("status", "text"),
        ("execution", "text"),
        ("code", "text"),
        ("quantity", "numeric"),
        ("filled", "numeric"),
        ("remaining", "numeric"),
        ("price", "numeric"),
        ("stop_price", "numeric"),
        ("average_price", "numeric"),
        ("time_in_force", "text"),
        ("market_ms", "bigint"),
    ],
    conflict: "(session, trail, order_id) DO UPDATE SET number = excluded.number, \
        at_ms = excluded.at_ms, status = excluded.status, execution = excluded.execution, \
        code = excluded.code, quantity = excluded.quantity, filled = excluded.filled, \
        remaining = excluded.remaining, price = excluded.price, \
        stop_price = excluded.stop_price, average_price = excluded.average_price, \
        market_ms = excluded.market_ms WHERE orders.number < excluded.number",
};

pub(super) const ORDER_REPORTS: Table = Table {
    name: "order_reports",
    columns: &[
        ("session", "text"),
        ("trail", "text"),
        ("number", "bigint"),
        ("at_ms", "bigint"),
        ("epoch", "text"),
        ("seq", "bigint"),
        ("order_id", "bigint"),
        ("status", "text"),
        ("execution", "text"),
        ("body", "jsonb"),
    ],
    conflict: ONCE,
};

pub(super) const FILLS: Table = Table {
    name: "fills",
    columns: &[
        ("session", "text"),
        ("trail", "text"),
        ("number", "bigint"),
        ("at_ms", "bigint"),
        ("epoch", "text"),
        ("seq", "bigint"),
        ("trade_id", "bigint"),
        ("order_id", "bigint"),
        ("symbol", "text"),
        ("side", "text"),
        ("price", "numeric"),
        ("quantity", "numeric"),
        ("fee", "numeric"),
        ("liquidity", "text"),
        ("market_ms", "bigint"),
    ],
    conflict: ONCE,
};

pub(super) const AUDIT: Table = Table {
    name: "audit",
    columns: &[
        ("session", "text"),
        ("trail", "text"),
        ("number", "bigint"),
        ("at_ms", "bigint"),
        ("kind", "text"),
        ("generation", "bigint"),
        ("record", "bigint"),
        ("client", "text"),
        ("n", "bigint"),
        ("ok", "boolean"),
        ("code", "text"),
        ("order_id", "bigint"),
        ("data", "jsonb"),
    ],
    conflict: ONCE,
};

/// The count of the trail keeps them apart already; the keys say it again, also of entries that a
/// trail should have led to under other numbers.
const ONCE: &str = "DO NOTHING";
