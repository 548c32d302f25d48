-- Sessions, their trails of facts, orders, fills and the audit trail. docs/ledger.md describes them.
-- Decimals are texts, exact as they were sent. Times are milliseconds since 1970 (at_ms) or of market time since the session began (market_ms).

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    subject    TEXT,
    created_ms INTEGER,
    scenario   TEXT,
    seed       INTEGER,
    endpoint   TEXT,
    generation INTEGER,
    ended_ms   INTEGER
);
CREATE INDEX sessions_of_subject ON sessions (subject, created_ms);

CREATE TABLE trails (
    session   TEXT NOT NULL,
    trail     TEXT NOT NULL,
    number    INTEGER NOT NULL,
    missing   INTEGER NOT NULL,
    why       TEXT,
    epoch     TEXT,
    began_seq INTEGER,
    began_ms  INTEGER,
    PRIMARY KEY (session, trail)
);

CREATE TABLE orders (
    session       TEXT NOT NULL,
    trail         TEXT NOT NULL,
    order_id      INTEGER NOT NULL,
    number        INTEGER NOT NULL,
    at_ms         INTEGER NOT NULL,
    symbol        TEXT NOT NULL,
    side          TEXT NOT NULL,
    type          TEXT NOT NULL,
    status        TEXT NOT NULL,
    execution     TEXT NOT NULL,
    code          TEXT,
    quantity      TEXT NOT NULL,
    filled        TEXT NOT NULL,
    remaining     TEXT NOT NULL,
    price         TEXT,
    stop_price    TEXT,
    average_price TEXT,
    time_in_force TEXT NOT NULL,
    market_ms     INTEGER NOT NULL,
    PRIMARY KEY (session, trail, order_id)
);

CREATE TABLE order_reports (
    session   TEXT NOT NULL,
    trail     TEXT NOT NULL,
    number    INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    epoch     TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    order_id  INTEGER NOT NULL,
    status    TEXT NOT NULL,
    execution TEXT NOT NULL,
    body      TEXT NOT NULL,
    PRIMARY KEY (session, trail, number),
    UNIQUE (session, epoch, seq)
);
CREATE INDEX order_reports_of_order ON order_reports (session, order_id);

CREATE TABLE fills (
    session   TEXT NOT NULL,
    trail     TEXT NOT NULL,
    number    INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    epoch     TEXT NOT NULL,
    seq       INTEGER NOT NULL,
    trade_id  INTEGER NOT NULL,
    order_id  INTEGER NOT NULL,
    symbol    TEXT NOT NULL,
    side      TEXT NOT NULL,
    price     TEXT NOT NULL,
    quantity  TEXT NOT NULL,
    fee       TEXT NOT NULL,
    liquidity TEXT NOT NULL,
    market_ms INTEGER NOT NULL,
    PRIMARY KEY (session, trail, number),
    UNIQUE (session, epoch, seq)
);
CREATE INDEX fills_of_order ON fills (session, order_id);
CREATE INDEX fills_by_time ON fills (at_ms);

CREATE TABLE audit (
    session    TEXT NOT NULL,
    trail      TEXT NOT NULL,
    number     INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    generation INTEGER,
    record     INTEGER,
    client     TEXT,
    n          INTEGER,
    ok         INTEGER,
    code       TEXT,
    order_id   INTEGER,
    data       TEXT,
    PRIMARY KEY (session, trail, number)
);
CREATE INDEX audit_by_time ON audit (at_ms);
