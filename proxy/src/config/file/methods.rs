//! The methods of a route.

use std::fmt;

use schemars::JsonSchema;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// One method, or a list of them.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Methods(#[schemars(with = "OneOrMany")] pub Vec<String>);

/// What may be written; it is described alone, never read.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes what is read")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Methods {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Methods;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a method or a list of methods")
            }

            fn visit_str<E>(self, name: &str) -> Result<Methods, E> {
                Ok(Methods(vec![name.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Methods, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = names.next_element()? {
                    all.push(name);
                }
                Ok(Methods(all))
            }
        }
        reader.deserialize_any(Names)
    }
}
