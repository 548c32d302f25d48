//! A span of time, or none: what people write where `null` and "left out" would look alike.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use holdfast_exchange::{Span, TICK_MS};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, schema};
use utoipa::{PartialSchema, ToSchema};

/// A span of time such as `30s`, or `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// No end.
    Never,
    /// So long.
    For(Span),
}

impl Lasting {
    /// In milliseconds; none for `never`.
    pub fn ms(self) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::For(span) => Some(span.ticks() * TICK_MS),
        }
    }
}

impl FromStr for Lasting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "never" => Ok(Self::Never),
            text => Span::parse(text)
                .map(Self::For)
                .map_err(|error| format!("{error}; or never")),
        }
    }
}

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::For(span) => span.fmt(f),
        }
    }
}

impl Serialize for Lasting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lasting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Lasting {
    fn schema_name() -> Cow<'static, str> {
        "Lasting".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "description": DESCRIPTION })
    }
}

impl PartialSchema for Lasting {
    fn schema() -> RefOr<schema::Schema> {
        let text = ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .pattern(Some(PATTERN))
            .description(Some(DESCRIPTION))
            .examples(["30s", "never"]);
        RefOr::T(schema::Schema::Object(text.build()))
    }
}

impl ToSchema for Lasting {
    fn name() -> Cow<'static, str> {
        "Lasting".into()
    }
}

const PATTERN: &str = "^(never|[1-9][0-9]{0,5}(0ms|s|m|h))$";
const DESCRIPTION: &str = "A span of time such as `100ms`, `30s`, `5m`, `2h`, or `never`.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_and_written_as_people_do() {
        for (text, ms) in [
            ("never", None),
            ("30s", Some(30_000)),
            ("2h", Some(7_200_000)),
        ] {
            let lasting: Lasting = text.parse().expect("a span or never");
            assert_eq!(lasting.ms(), ms);
            assert_eq!(lasting.to_string(), text);
        }
        let told = "soon".parse::<Lasting>().expect_err("no span");
        assert!(told.contains("soon") && told.contains("never"), "{told}");
    }
}
