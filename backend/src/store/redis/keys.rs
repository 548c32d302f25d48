//! What is called how.

use holdfast_session::id::SessionId;

/// The names of everything, under one prefix.
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// Those of one session. What stands in braces decides the slot of a cluster, so they are
    /// together and a script may touch them all.
    pub(super) fn session(&self, id: SessionId) -> SessionKeys {
        let named = |what: &str| format!("{}:{{{id}}}:{what}", self.prefix);
        SessionKeys {
            record: named("record"),
            journal: named("journal"),
            snapshots: [named("one"), named("two"), named("three")],
            outbox: named("outbox"),
        }
    }

    /// The newest sessions of a subject, by the time of their creation. In a slot of its own.
    pub(super) fn of_subject(&self, subject: Option<&str>) -> String {
        match subject {
            Some(subject) => format!("{}:subject:{subject}", self.prefix),
            None => format!("{}:anonymous", self.prefix),
        }
    }

    /// The sessions in whose outbox something may wait for the ledger, by when it was announced.
    pub(super) fn outboxes(&self) -> String {
        format!("{}:outboxes", self.prefix)
    }

    /// A random text that is there as long as nobody empties the store.
    pub(super) fn marker(&self) -> String {
        format!("{}:marker", self.prefix)
    }
}

/// The keys of one session.
pub(super) struct SessionKeys {
    /// Owner, subject, length of the journal.
    pub(super) record: String,
    journal: String,
    snapshots: [String; 3],
    outbox: String,
}

impl SessionKeys {
    /// In the order in which scripts expect them.
    pub(super) fn all(&self) -> [&str; 6] {
        let [one, two, three] = &self.snapshots;
        [&self.record, &self.journal, one, two, three, &self.outbox]
    }
}
