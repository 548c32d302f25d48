//! `--reference`: one more backend that nobody disturbs, with a store of its own and in a cluster
//! of its own behind the same proxy. A load test compares those who were moved with those who live
//! there.

use super::plan::Seat;

/// Its id, which is the name of its cluster too.
pub(super) const REFERENCE: &str = "reference";

/// What the proxy's template says of it: the cluster, and the routes that lead there.
pub(super) fn in_proxy(seat: Option<&Seat>) -> [(&'static str, String); 2] {
    let (cluster, routes) = seat.map_or_else(Default::default, |seat| {
        let address = seat.address.to_string();
        (CLUSTER.replace("ADDRESS", &address), ROUTES.to_owned())
    });
    [("reference", cluster), ("reference_routes", routes)]
}

const CLUSTER: &str = r#"reference:
    discovery: { static: [{ id: reference, address: "ADDRESS" }] }
    probes: [{ http: { path: /health/ready }, interval: 1s, timeout: 1s, rise: 1, fall: 2 }]
    handoff: { contract: auto }"#;

/// Clients get there by the host they ask for.
const ROUTES: &str = r"- { name: reference, host: reference.lab, path: /, cluster: reference }
  - name: reference-sessions
    host: reference.lab
    path: /api/v1/sessions
    cluster: reference
    identity: required";
