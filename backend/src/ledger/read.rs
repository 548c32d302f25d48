//! What users may read of their own: page by page, newest first.

use holdfast_session::id::SessionId;

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// About what.
    pub listing: &'static Listing,
    /// Whose; none: nobody's in particular.
    pub subject: Option<String>,
    /// Of one session alone.
    pub session: Option<SessionId>,
    /// Only what comes after this row.
    pub after: Option<Key>,
    /// How many rows at most.
    pub limit: usize,
}

/// The place of a row in its listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Of which session.
    pub session: String,
    /// Of which trail.
    pub trail: String,
    /// Its number there.
    pub number: i64,
}

/// What can be listed. Each row is given as one JSON object.
#[derive(Debug)]
pub struct Listing {
    from: &'static str,
    /// At, session, trail and number, as in [`Key`].
    key: [&'static str; 4],
    columns: &'static [(&'static str, Kind)],
}

/// How a column becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// As it is.
    Plain,
    /// A decimal, as text.
    Decimal,
    /// True or false.
    Flag,
    /// JSON already.
    Json,
}

use Kind::{Decimal, Flag, Json, Plain};

/// Sessions.
pub const SESSIONS: Listing = Listing {
    from: "sessions s",
    key: [
        "coalesce(s.created_ms, 0)",
        "s.id",
        "CAST('' AS text)",
        "CAST(0 AS bigint)",
    ],
    columns: &[
        ("id", Plain),
        ("created_ms", Plain),
        ("ended_ms", Plain),
        ("scenario", Plain),
        ("seed", Plain),
        ("endpoint", Plain),
        ("generation", Plain),
    ],
};

/// Orders, those that changed last first.
pub const ORDERS: Listing = Listing {
    from: "orders t JOIN sessions s ON s.id = t.session",
    key: ["t.at_ms", "t.session", "t.trail", "t.order_id"],
    columns: &[
        ("session", Plain),
        ("trail", Plain),
        ("order_id", Plain),
        ("at_ms", Plain),
        ("symbol", Plain),
        ("side", Plain),
        ("type", Plain),
        ("status", Plain),
        ("execution", Plain),
        ("code", Plain),
        ("quantity", Decimal),
        ("filled", Decimal),
        ("remaining", Decimal),
        ("price", Decimal),
        ("stop_price", Decimal),
        ("average_price", Decimal),
        ("time_in_force", Plain),
    ],
};

/// Fills.
pub const FILLS: Listing = Listing {
    from: "fills t JOIN sessions s ON s.id = t.session",
    key: ["t.at_ms", "t.session", "t.trail", "t.number"],
    columns: &[
        ("session", Plain),
        ("trail", Plain),
        ("number", Plain),
        ("at_ms", Plain),
        ("trade_id", Plain),
        ("order_id", Plain),
        ("symbol", Plain),
        ("side", Plain),
        ("price", Decimal),
        ("quantity", Decimal),
        ("fee", Decimal),
        ("liquidity", Plain),
    ],
};

/// The audit trail.
pub const AUDIT: Listing = Listing {
    from: "audit t JOIN sessions s ON s.id = t.session",
    key: ["t.at_ms", "t.session", "t.trail", "t.number"],
    columns: &[
        ("session", Plain),
        ("trail", Plain),
        ("number", Plain),
        ("at_ms", Plain),
        ("kind", Plain),
        ("generation", Plain),
        ("client", Plain),
        ("n", Plain),
        ("ok", Flag),
        ("code", Plain),
        ("order_id", Plain),
        ("data", Json),
    ],
};

impl Listing {
    /// For PostgreSQL.
    pub(super) fn postgres(&self) -> String {
        let json = |name: &str, kind: Kind| match kind {
            Decimal => format!("CAST({name} AS text)"),
            Plain | Flag | Json => name.to_owned(),
        };
        let object = self.object(json);
        self.query(&format!("CAST(json_build_object({object}) AS text)"))
    }

    /// For SQLite.
    pub(super) fn sqlite(&self) -> String {
        let json = |name: &str, kind: Kind| match kind {
            Flag => format!("json(CASE {name} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"),
            Json => format!("json({name})"),
            Plain | Decimal => name.to_owned(),
        };
        let object = self.object(json);
        self.query(&format!("json_object({object})"))
    }

    fn object(&self, json: impl Fn(&str, Kind) -> String) -> String {
        let table = if self.from.contains(" t ") { "t" } else { "s" };
        let fields = self.columns.iter().map(|(name, kind)| {
            let value = json(&format!("{table}.{name}"), *kind);
            format!("'{name}', {value}")
        });
        fields.collect::<Vec<_>>().join(", ")
    }

    fn query(&self, object: &str) -> String {
        let [at, session, trail, number] = self.key;
        format!(
            "SELECT {object} FROM {from} WHERE s.subject IS NOT DISTINCT FROM CAST($1 AS text) \
             AND (CAST($2 AS text) IS NULL OR s.id = $2) \
             AND (CAST($3 AS bigint) IS NULL \
                 OR ({at}, {session}, {trail}, {number}) < ($3, $4, $5, $6)) \
             ORDER BY {at} DESC, {session} DESC, {trail} DESC, {number} DESC LIMIT $7",
            from = self.from
        )
    }
}

impl Question {
    /// What `$3` to `$6` are.
    pub(super) fn place(&self) -> (Option<i64>, &str, &str, i64) {
        match &self.after {
            Some(key) => (Some(key.at_ms), &key.session, &key.trail, key.number),
            None => (None, "", "", 0),
        }
    }
}
