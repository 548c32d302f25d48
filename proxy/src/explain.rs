//! Where would this request go, and why? Asked offline, of the configuration alone.
//!
//! Endpoints that stand in the file are taken for well; what probes, drains and other discovery
//! know is the running process's secret, and `status` tells it.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use holdfast_core::control::{Command, Controller, Event, Member};
use holdfast_core::route::Fields;
use holdfast_core::{
    ClusterName, Draw, EndpointId, Instant, Relay, Request, Snapshot, Verdict, WallTime, Why,
    decide,
};

use crate::chance;
use crate::clock;
use crate::config::{Config, Discovery};

/// What is asked about.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The path, perhaps with a query.
    pub path: String,
    /// The host.
    pub host: String,
    /// The method.
    pub method: String,
    /// The value of the cluster's affinity cookie.
    pub cookie: Option<String>,
    /// Header fields, names in lower case.
    pub fields: Vec<(String, String)>,
}

/// The answer, for people.
pub struct Explanation(String);

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Explain where a request would go.
pub fn explain(config: &Config, question: &Question) -> Explanation {
    let snapshot = snapshot(config);
    let (path, query) = question
        .path
        .split_once('?')
        .unwrap_or((&question.path, ""));
    let wall = WallTime::from_unix(clock::wall().as_secs());
    let request = Request {
        host: &question.host,
        path,
        query,
        method: &question.method,
        asks: Relay::Http,
        fields: question,
        subject: None,
        wall,
    };
    let verdict = decide(
        &snapshot,
        &request,
        Draw::new(chance::bits()),
        Instant::START,
    );
    Explanation(match verdict {
        Verdict::Forward(forward) => forwarded(&forward, question, wall),
        Verdict::Reject { reject, route } => {
            let route = route.map_or_else(|| "none".to_owned(), |route| route.name.to_string());
            format!(
                "route     {route}\nverdict   rejected: {}\n",
                reject.as_str()
            )
        }
    })
}

/// What the data plane would know at the start if every endpoint of the file were well.
pub fn snapshot(config: &Config) -> Arc<Snapshot> {
    let mut controller = Controller::new(0);
    controller.handle(Event::Reload(config.decisions.clone()), Instant::START);
    for cluster in &config.clusters {
        let (Discovery::Static(endpoints), Ok(name)) =
            (&cluster.discovery, ClusterName::parse(&cluster.name))
        else {
            continue;
        };
        let members = endpoints.iter().filter_map(|endpoint| {
            let id = EndpointId::parse(&endpoint.id).ok()?;
            Some(Member {
                id,
                address: endpoint.address,
                weight: endpoint.weight,
            })
        });
        let event = Event::Discovered {
            cluster: name,
            members: members.collect(),
        };
        controller.handle(event, Instant::START);
    }
    let mut latest = Arc::default();
    while let Some(command) = controller.poll_command() {
        if let Command::Publish(snapshot) = command {
            latest = snapshot;
        }
    }
    latest
}

fn forwarded(forward: &holdfast_core::Forward, question: &Question, wall: WallTime) -> String {
    let mut text = String::new();
    let mut line = |key: &str, value: &dyn fmt::Display| {
        let _ = writeln!(text, "{key:<9} {value}");
    };
    line("route", &forward.route.name);
    line("cluster", forward.cluster.name());
    line("relay", &forward.relay.as_str());
    let policy = forward.cluster.settings.affinity.as_ref();
    let claim = question
        .cookie
        .as_ref()
        .zip(policy)
        .and_then(|(cookie, policy)| policy.keys.open(forward.cluster.name(), cookie));
    if let Some(claim) = &claim {
        line(
            "claim",
            &format_args!("endpoint {}, key {:?}", claim.endpoint, claim.key),
        );
        let ages = (wall.since(claim.issued), wall.since(claim.seen));
        line(
            "age",
            &format_args!("first given {:?} ago, renewed {:?} ago", ages.0, ages.1),
        );
    }
    line("affinity", &forward.why.as_str());
    line(
        "endpoint",
        &format_args!("{} at {}", forward.endpoint.id, forward.endpoint.address),
    );
    line("why", &reason(forward));
    text
}

fn reason(forward: &holdfast_core::Forward) -> &'static str {
    use holdfast_core::affinity::AffinityVerdict as Verdict;
    match forward.why {
        Why::Off => "affinity is off on this route: every request is balanced anew",
        Why::Affinity(Verdict::None) => "it shows nothing, so it is balanced as a new client",
        Why::Affinity(Verdict::Valid) => "its claim is believed and its endpoint admits it",
        Why::Affinity(Verdict::Expired) => "its claim is too old, so it is a new client",
        Why::Affinity(Verdict::Invalid) => {
            "its cookie is not ours (forged, damaged, of another cluster or of a key that is not \
             listed any more), so it is a new client"
        }
        Why::Affinity(Verdict::Down) => {
            "its claim is believed, but its endpoint is gone or admits nobody: its key picks \
             another"
        }
    }
}

impl Fields for Question {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// One value, with or without the name in front, stands for the cookie of whichever cluster
    /// the route leads to.
    fn cookies(&self, name: &str, accept: &mut dyn FnMut(&str) -> bool) {
        if let Some(cookie) = &self.cookie {
            let named = cookie.strip_prefix(name);
            accept(
                named
                    .and_then(|rest| rest.strip_prefix('='))
                    .unwrap_or(cookie),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config() -> Config {
        let text = "listeners: [{ address: 127.0.0.1:0 }]
clusters:
  backend: { discovery: { static: [{ id: a, address: 127.0.0.1:1 }] } }
routes: [{ path: /api, cluster: backend }]
";
        Config::parse(Path::new("proxy.yaml"), text).expect("configuration")
    }

    fn ask(path: &str, cookie: Option<&str>) -> String {
        let question = Question {
            path: path.to_owned(),
            method: "GET".to_owned(),
            cookie: cookie.map(str::to_owned),
            ..Question::default()
        };
        explain(&config(), &question).to_string()
    }

    #[test]
    fn it_says_verdict_route_cluster_endpoint_and_why() {
        let text = ask("/api/x?y=1", None);
        for part in ["/api", "backend", "none", "a at 127.0.0.1:1", "new client"] {
            assert!(text.contains(part), "{part} is missing from:\n{text}");
        }
        assert!(ask("/api", Some("forged")).contains("invalid"));
        let question = Question {
            cookie: Some("holdfast=AAAA".to_owned()),
            ..Question::default()
        };
        question.cookies("holdfast", &mut |value| {
            assert_eq!(value, "AAAA", "as a browser sends it");
            true
        });
        assert!(ask("/", None).contains("rejected: no_route"));
    }
}
