//! How a database becomes a ledger, or a later one. Migrations are plain SQL files, one folder per
//! database; they are added, never changed. What was applied is kept as it was, text and all, so
//! that a changed one is noticed.

use super::LedgerError;

/// One step, numbered from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub number: i64,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub sql: &'static str,
}

/// Those of PostgreSQL.
pub const POSTGRES: &[Migration] = &[Migration {
    number: 1,
    name: "ledger",
    sql: include_str!("postgres/001_ledger.sql"),
}];

/// Those of SQLite.
pub const SQLITE: &[Migration] = &[Migration {
    number: 1,
    name: "ledger",
    sql: include_str!("sqlite/001_ledger.sql"),
}];

/// One that was applied: number, name, text.
pub(super) type Applied = (i64, String, String);

/// Where the applied ones are kept.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS holdfast_migrations (
    number BIGINT PRIMARY KEY, name TEXT NOT NULL, sql TEXT NOT NULL, applied_ms BIGINT NOT NULL)";

pub(super) const READ: &str = "SELECT number, name, sql FROM holdfast_migrations ORDER BY number";

pub(super) const NOTE: &str =
    "INSERT INTO holdfast_migrations (number, name, sql, applied_ms) VALUES ($1, $2, $3, $4)";

/// What there was to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Applied before.
    pub applied: Vec<Migration>,
    /// Applied now, or to be.
    pub pending: Vec<Migration>,
}

impl Report {
    /// Compares what was applied with what this build knows.
    pub(super) fn of(known: &[Migration], applied: &[Applied]) -> Result<Self, LedgerError> {
        for (number, name, sql) in applied {
            let Some(ours) = known.iter().find(|known| known.number == *number) else {
                return Err(LedgerError::Newer {
                    found: applied.last().map_or(0, |last| last.0),
                    known: known.last().map_or(0, |last| last.number),
                });
            };
            if ours.sql != sql {
                return Err(LedgerError::Changed {
                    number: *number,
                    name: name.clone(),
                });
            }
        }
        let is_applied =
            |known: &&Migration| applied.iter().any(|applied| applied.0 == known.number);
        let (applied, pending) = known.iter().partition::<Vec<&Migration>, _>(is_applied);
        Ok(Self {
            applied: applied.into_iter().copied().collect(),
            pending: pending.into_iter().copied().collect(),
        })
    }

    /// One line each, of a dry run or of one that has done it.
    pub fn lines(&self, dry_run: bool) -> String {
        let line = |migration: &Migration, state: &str| {
            format!("{:>4} {}: {state}\n", migration.number, migration.name)
        };
        let done = if dry_run { "to do" } else { "done" };
        let applied = self.applied.iter().map(|known| line(known, "applied"));
        let pending = self.pending.iter().map(|known| line(known, done));
        applied.chain(pending).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(number: i64, sql: &str) -> Applied {
        (number, format!("step {number}"), sql.to_owned())
    }

    #[test]
    fn what_is_applied_is_left_and_the_rest_is_to_do() {
        let report = Report::of(POSTGRES, &[]).expect("a new database");
        assert_eq!((report.applied.len(), report.pending.len()), (0, 1));
        let done = [applied(1, POSTGRES[0].sql)];
        let report = Report::of(POSTGRES, &done).expect("an up-to-date one");
        assert_eq!((report.applied.len(), report.pending.len()), (1, 0));
        assert_eq!(report.lines(true), "   1 ledger: applied\n");
    }

    #[test]
    fn a_later_database_and_a_changed_migration_are_refused() {
        let later = [applied(1, POSTGRES[0].sql), applied(2, "")];
        let refused = Report::of(POSTGRES, &later).map(|_| ());
        assert_eq!(refused, Err(LedgerError::Newer { found: 2, known: 1 }));
        let changed = Report::of(POSTGRES, &[applied(1, "CREATE")]).map(|_| ());
        let name = "step 1".into();
        assert_eq!(changed, Err(LedgerError::Changed { number: 1, name }));
    }

    #[test]
    fn numbers_are_those_of_the_file_names_without_a_gap() {
        for known in [POSTGRES, SQLITE] {
            for (number, migration) in (1..).zip(known) {
                assert_eq!(migration.number, number, "{}", migration.name);
            }
        }
    }
}
