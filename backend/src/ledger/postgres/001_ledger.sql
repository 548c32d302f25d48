-- Sessions, their trails of facts, orders, fills and the audit trail. docs/ledger.md describes them.
-- Times are milliseconds since 1970 (at_ms) or of market time since the session began (market_ms).

CREATE TABLE sessions (
    id         text PRIMARY KEY,
    subject    text,
    created_ms bigint,
    scenario   text,
    seed       bigint,
    endpoint   text,
    generation bigint,
    ended_ms   bigint
);
CREATE INDEX sessions_of_subject ON sessions (subject, created_ms);

CREATE TABLE trails (
    session   text   NOT NULL,
    trail     text   NOT NULL,
    number    bigint NOT NULL,
    missing   bigint NOT NULL,
    why       text,
    epoch     text,
    began_seq bigint,
    began_ms  bigint,
    PRIMARY KEY (session, trail)
);

CREATE TABLE orders (
    session       text   NOT NULL,
    trail         text   NOT NULL,
    order_id      bigint NOT NULL,
    number        bigint NOT NULL,
    at_ms         bigint NOT NULL,
    symbol        text   NOT NULL,
    side          text   NOT NULL,
    type          text   NOT NULL,
    status        text   NOT NULL,
    execution     text   NOT NULL,
    code          text,
    quantity      numeric NOT NULL,
    filled        numeric NOT NULL,
    remaining     numeric NOT NULL,
    price         numeric,
    stop_price    numeric,
    average_price numeric,
    time_in_force text   NOT NULL,
    market_ms     bigint NOT NULL,
    PRIMARY KEY (session, trail, order_id)
);

CREATE TABLE order_reports (
    session   text   NOT NULL,
    trail     text   NOT NULL,
    number    bigint NOT NULL,
    at_ms     bigint NOT NULL,
    epoch     text   NOT NULL,
    seq       bigint NOT NULL,
    order_id  bigint NOT NULL,
    status    text   NOT NULL,
    execution text   NOT NULL,
    body      jsonb  NOT NULL,
    PRIMARY KEY (session, trail, number),
    UNIQUE (session, epoch, seq)
);
CREATE INDEX order_reports_of_order ON order_reports (session, order_id);

CREATE TABLE fills (
    session   text    NOT NULL,
    trail     text    NOT NULL,
    number    bigint  NOT NULL,
    at_ms     bigint  NOT NULL,
    epoch     text    NOT NULL,
    seq       bigint  NOT NULL,
    trade_id  bigint  NOT NULL,
    order_id  bigint  NOT NULL,
    symbol    text    NOT NULL,
    side      text    NOT NULL,
    price     numeric NOT NULL,
    quantity  numeric NOT NULL,
    fee       numeric NOT NULL,
    liquidity text    NOT NULL,
    market_ms bigint  NOT NULL,
    PRIMARY KEY (session, trail, number),
    UNIQUE (session, epoch, seq)
);
CREATE INDEX fills_of_order ON fills (session, order_id);
CREATE INDEX fills_by_time ON fills (at_ms);

CREATE TABLE audit (
    session    text   NOT NULL,
    trail      text   NOT NULL,
    number     bigint NOT NULL,
    at_ms      bigint NOT NULL,
    kind       text   NOT NULL,
    generation bigint,
    record     bigint,
    client     text,
    n          bigint,
    ok         boolean,
    code       text,
    order_id   bigint,
    data       jsonb,
    PRIMARY KEY (session, trail, number)
);
CREATE INDEX audit_by_time ON audit (at_ms);
