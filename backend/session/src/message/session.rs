//! What a client asks of its session as a whole.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::lasting::Lasting;

/// What about a session is to change; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionUpdate {
    /// Labels to set; `null` takes one away. 16 at most, each with 1 to 63 letters, digits, `.`,
    /// `_`, `-` and `/`; a value has at most 128 characters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(example = json!({ "desk": "fx", "old": null }))]
    pub labels: BTreeMap<String, Option<String>>,
    /// The session ends so long from now: `1s` to `8760h`, or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Lasting>,
    /// The session ends once nobody was connected and nothing was asked for so long: `10s` to
    /// `8760h`, or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_expires_in: Option<Lasting>,
    /// All orders are taken back once no connection is left for so long: `1s` to `10m`, or `never`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_on_disconnect: Option<Lasting>,
}

/// How the market is to begin anew: as before where nothing is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRestart {
    /// Another market, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "volatile")]
    pub scenario: Option<String>,
    /// Another seed: below 2^53.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9007199254740991_u64, example = 7)]
    pub seed: Option<u64>,
}
