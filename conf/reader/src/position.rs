//! Where in the text does a key stand? Errors point there.
//!
//! The file is read twice: once into its checked shape, once into this index of paths. So the
//! shape stays free of positions, and a rule found broken long after reading (a drain deadline
//! beyond that of the shutdown) can still name line and column.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
}

impl Position {
    /// The beginning of a file: where errors about the whole file point.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self {
            line: location.line().max(1),
            column: location.column().max(1),
        }
    }
}

/// Every path of a file with its position.
#[derive(Debug, Default)]
pub struct Positions(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    path: String,
    key: Position,
    value: Position,
}

impl Positions {
    /// Index the text. Text that is no YAML has no positions; reading it for real says why.
    pub fn of(text: &str) -> Self {
        let mut entries = Vec::new();
        if let Ok(root) = serde_saphyr::from_str::<Spanned<Node>>(text) {
            collect(&root, String::new(), &mut entries);
        }
        Self(entries)
    }

    /// The position of the value at this path, or of the nearest parent that the file has.
    pub fn value(&self, path: &str) -> Position {
        self.find(path).map_or(Position::START, |entry| entry.value)
    }

    /// The position of the key of this path, or of the nearest parent that the file has.
    pub fn key(&self, path: &str) -> Position {
        self.find(path).map_or(Position::START, |entry| entry.key)
    }

    /// The path that stands at, or last before, a position.
    pub fn path_at(&self, at: Position) -> &str {
        let exact = self
            .0
            .iter()
            .rev()
            .find(|entry| entry.value == at || entry.key == at);
        let before = || {
            let before = self.0.iter().filter(|entry| entry.key <= at);
            before.max_by_key(|entry| (entry.key, entry.path.len()))
        };
        exact.or_else(before).map_or("", |entry| &entry.path)
    }

    /// Is this very path written in the file?
    pub fn has(&self, path: &str) -> bool {
        self.0.iter().any(|entry| entry.path == path)
    }

    fn find(&self, path: &str) -> Option<&Entry> {
        let mut path = path;
        loop {
            if let Some(entry) = self.0.iter().find(|entry| entry.path == path) {
                return Some(entry);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

fn collect(node: &Spanned<Node>, path: String, entries: &mut Vec<Entry>) {
    match &node.value {
        Node::Map(pairs) => {
            for (key, value) in pairs {
                let path = match path.as_str() {
                    "" => key.value.clone(),
                    parent => format!("{parent}.{}", key.value),
                };
                push(&path, key.referenced, value.referenced, entries);
                collect(value, path, entries);
            }
        }
        Node::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                push(&path, item.referenced, item.referenced, entries);
                collect(item, path, entries);
            }
        }
        Node::Scalar => {}
    }
}

fn push(path: &str, key: Location, value: Location, entries: &mut Vec<Entry>) {
    entries.push(Entry {
        path: path.to_owned(),
        key: key.into(),
        value: value.into(),
    });
}

/// A YAML node without its scalar values: only the shape matters here.
enum Node {
    Scalar,
    Sequence(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(item) = items.next_element()? {
            nodes.push(item);
        }
        Ok(Node::Sequence(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(pair) = pairs.next_entry()? {
            nodes.push(pair);
        }
        Ok(Node::Map(nodes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "threads: 2\nclusters:\n  game:\n    drain: { rate: 5, deadline: 45s }\n\
                        routes:\n  - path: /\n    cluster: game\n";

    #[test]
    fn a_path_has_the_position_of_its_value() {
        let positions = Positions::of(TEXT);
        let deadline = positions.value("clusters.game.drain.deadline");
        assert_eq!(
            deadline,
            Position {
                line: 4,
                column: 33
            }
        );
        assert_eq!(
            positions.key("routes[0].cluster"),
            Position { line: 7, column: 5 }
        );
    }

    #[test]
    fn a_path_that_is_not_written_has_the_position_of_its_parent() {
        let positions = Positions::of(TEXT);
        let missing = positions.key("clusters.game.handoff.deadline");
        assert_eq!(missing, positions.key("clusters.game"));
    }

    #[test]
    fn a_position_leads_back_to_its_path() {
        let positions = Positions::of(TEXT);
        let at = positions.value("clusters.game.drain.rate");
        assert_eq!(positions.path_at(at), "clusters.game.drain.rate");
    }
}
