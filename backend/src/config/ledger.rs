//! Which ledger: at most one, and by default what fits the store.

use super::check::Checker;
use super::unit::{Size, Span};
use super::{Exchanges, Ledger, LedgerKind, Store, file};
use crate::ledger::postgres::{Options, Tls};

impl Checker<'_> {
    pub(super) fn ledger(&mut self, shape: &file::Ledger, exchanges: &Exchanges) -> Ledger {
        let (least, most) = (Size::kib(64), Size::kib(1 << 20));
        self.size("ledger.outbox", shape.outbox, least, most);
        let kind = match (&shape.sqlite, &shape.postgres, shape.off) {
            (None, None, true) => LedgerKind::Off,
            (Some(sqlite), None, false) => {
                let file = self.folder.join(&sqlite.file);
                if *exchanges == Exchanges::Here(Store::Sqlite(file.clone())) {
                    let message = "is the store's own file; the ledger wants one of its own, so \
                        that no order waits for it";
                    self.wrong("ledger.sqlite.file", message);
                }
                LedgerKind::Sqlite(file)
            }
            (None, Some(postgres), false) => self
                .postgres(postgres)
                .map_or(LedgerKind::Off, LedgerKind::Postgres),
            (None, None, false) => match exchanges {
                Exchanges::Here(Store::Sqlite(file)) => {
                    LedgerKind::Sqlite(file.with_extension("ledger.sqlite"))
                }
                Exchanges::Here(Store::Redis(_)) => LedgerKind::Unsaid,
                Exchanges::Elsewhere(_) => LedgerKind::Off,
            },
            _ => {
                let message = "names more than one ledger; keep one of `sqlite: { file: ... }`, \
                    `postgres: { url: ... }` and `off: true`";
                self.wrong("ledger", message);
                LedgerKind::Off
            }
        };
        if matches!(exchanges, Exchanges::Elsewhere(_)) && kind != LedgerKind::Off {
            let message = "a front has no ledger: what it serves is written down where it runs; \
                leave it out, or exchange.address";
            self.wrong("ledger", message);
        }
        Ledger {
            kind,
            outbox: shape.outbox.bytes(),
        }
    }

    fn postgres(&mut self, shape: &file::Postgres) -> Option<Options> {
        let spans = [
            (
                "timeout",
                shape.timeout,
                Span::millis(100),
                Span::seconds(300),
            ),
            (
                "pool.acquire",
                shape.pool.acquire,
                Span::millis(50),
                Span::seconds(60),
            ),
            (
                "pool.idle",
                shape.pool.idle,
                Span::seconds(1),
                Span::seconds(3_600),
            ),
        ];
        for (key, span, least, most) in spans {
            self.between(&format!("ledger.postgres.{key}"), span, least, most);
        }
        let (min, max) = (shape.pool.min, shape.pool.max);
        if !(1..=100).contains(&max) {
            let message = format!("{max} is out of range; 1 to 100");
            self.wrong("ledger.postgres.pool.max", message);
        }
        if min > max {
            let message = format!("{min} exceeds ledger.postgres.pool.max {max}; at most {max}");
            self.wrong("ledger.postgres.pool.min", message);
        }
        let tls = self.tls(shape);
        let password = match &shape.password {
            Some(password) => Some(self.password("ledger.postgres.password", password)?),
            None => None,
        };
        let url = shape.url.parse();
        let url = url.map_err(|message: String| self.wrong("ledger.postgres.url", message));
        Some(Options {
            url: url.ok()?,
            password,
            tls,
            min,
            max,
            acquire: shape.pool.acquire.0,
            idle: shape.pool.idle.0,
            timeout: shape.timeout.0,
        })
    }

    fn tls(&mut self, shape: &file::Postgres) -> Tls {
        let ca = shape.ca.as_ref().map(|ca| self.folder.join(ca));
        if let Some(ca) = ca.as_ref().filter(|ca| !ca.is_file()) {
            let message = format!("{} is not there", ca.display());
            self.wrong("ledger.postgres.ca", message);
        }
        match shape.tls {
            file::Tls::Verify => return Tls::Verify(ca),
            _ if ca.is_none() => {}
            _ => {
                let message = "is only looked at with `tls: verify`; leave it out or verify";
                self.wrong("ledger.postgres.ca", message);
            }
        }
        match shape.tls {
            file::Tls::Require => Tls::Require,
            _ => Tls::Off,
        }
    }
}
