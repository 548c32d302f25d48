//! What the configuration promises: defaults that fit, errors that lead to the right line.

use super::*;

const MINIMAL: &str = "listeners: [{ address: 127.0.0.1:0 }]
clusters:
  backend:
    discovery: { static: [{ id: a, address: 127.0.0.1:9001 }] }
routes: [{ path: /, cluster: backend }]
";

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("proxy.yaml"), text).map_err(|error| error.to_string())
}

#[test]
fn a_minimal_file_gets_every_default_and_a_warning_about_keys() {
    let config = parse(MINIMAL).expect("minimal configuration");
    assert_eq!(config.timeouts.edge_idle, Duration::from_secs(80));
    assert_eq!(config.limits.connections_per_address, 10_000);
    assert_eq!(config.clusters[0].cookie, "holdfast");
    assert_eq!(config.affinity.keys.len(), 1);
    let warnings: Vec<&str> = config.warnings.iter().map(|w| w.path.as_str()).collect();
    assert_eq!(warnings, ["affinity.keys"]);
}

#[test]
fn the_first_cluster_of_the_file_has_the_plain_cookie() {
    let text = MINIMAL.replace(
        "routes:",
        "  app:\n    discovery: { static: [{ id: x, address: 127.0.0.1:9101 }] }\nroutes:",
    );
    let config = parse(&text).expect("two clusters");
    let cookies: Vec<&str> = config.clusters.iter().map(|c| c.cookie.as_str()).collect();
    assert_eq!(
        cookies,
        ["holdfast", "holdfast-app"],
        "file order, not the alphabet's"
    );
}

#[test]
fn a_misspelt_key_is_found_and_the_right_one_named() {
    let text = MINIMAL.replace("discovery:", "balanse: random\n    discovery:");
    let error = parse(&text).expect_err("misspelt key");
    assert_eq!(
        error,
        "proxy.yaml:4:5 clusters.backend.balanse: unknown key \"balanse\"; did you mean \
         \"balance\"?"
    );
}

#[test]
fn a_rule_between_two_keys_points_at_the_one_to_change() {
    let text = MINIMAL.replace("routes:", "    drain: { deadline: 30s }\nroutes:");
    let text = format!("{text}shutdown: {{ spread: 10s, deadline: 20s }}\n");
    let error = parse(&text).expect_err("drain beyond the shutdown");
    assert_eq!(
        error,
        "proxy.yaml:5:24 clusters.backend.drain.deadline: 30s exceeds shutdown.deadline 20s; at \
         most 20s"
    );
}

#[test]
fn a_default_that_a_shorter_shutdown_outruns_is_nobodys_mistake() {
    let text = format!("{MINIMAL}shutdown: {{ spread: 1s, deadline: 5s }}\n");
    parse(&text).expect("only the shutdown is written");
}

#[test]
fn all_problems_are_reported_in_the_order_of_the_file() {
    let text = MINIMAL
        .replace("127.0.0.1:0", "nowhere")
        .replace("cluster: backend", "cluster: b");
    let error = parse(&text).expect_err("two problems");
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(lines[0].starts_with("proxy.yaml:1:"), "{error}");
    assert!(lines[1].starts_with("proxy.yaml:5:"), "{error}");
}

#[test]
fn the_schema_knows_every_top_level_key() {
    let schema = serde_json::to_value(Config::schema()).expect("schema");
    let written = parse(MINIMAL).expect("minimal").written;
    let written = serde_json::to_value(&*written).expect("written");
    for key in written.as_object().expect("object").keys() {
        assert!(
            schema["properties"][key].is_object(),
            "{key} is not described"
        );
    }
}
