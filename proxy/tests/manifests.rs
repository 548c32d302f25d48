//! What the Kubernetes manifests and the configurations say about the same times and ports has
//! to agree, and no schema sees that.

use std::fs;
use std::path::Path;

use serde_json::Value;

#[test]
fn a_leaving_proxy_has_the_time_it_was_promised() {
    let pod = pod("proxy");
    let conf = yaml("conf/kubernetes/proxy.yaml");
    let [propagation, spread, deadline] =
        ["propagation", "spread", "deadline"].map(|key| seconds(&conf["shutdown"][key]));
    let grace = pod["terminationGracePeriodSeconds"]
        .as_u64()
        .expect("a grace period");
    let pre_stop = pre_stop_seconds(&pod);
    assert!(
        spread < deadline,
        "spread {spread} s must fit into the deadline {deadline} s"
    );
    assert!(
        grace >= pre_stop + propagation + deadline + AIR,
        "grace {grace} s: preStop {pre_stop} + propagation {propagation} + deadline {deadline}"
    );
}

#[test]
fn a_proxy_accepts_for_as_long_as_the_nlb_may_send() {
    let service = yaml("k8s/base/proxy/service.yaml");
    let annotations = service["metadata"]["annotations"]
        .as_object()
        .expect("annotations");
    let attributes = annotations
        .iter()
        .find(|(name, _)| name.ends_with("target-group-attributes"))
        .and_then(|(_, value)| value.as_str())
        .expect("target group attributes");
    let delay: u64 = attributes
        .split(',')
        .find_map(|pair| {
            pair.trim()
                .strip_prefix("deregistration_delay.timeout_seconds=")
        })
        .and_then(|text| text.parse().ok())
        .expect("a deregistration delay");
    let propagation = seconds(&yaml("conf/kubernetes/proxy.yaml")["shutdown"]["propagation"]);
    assert!(
        propagation > delay,
        "propagation {propagation} s, deregistration {delay} s"
    );
}

#[test]
fn a_leaving_backend_has_the_time_it_was_promised() {
    let pod = pod("backend");
    let conf = yaml("conf/kubernetes/backend.yaml");
    let deadline = seconds(&conf["shutdown"]["deadline"]);
    let grace = pod["terminationGracePeriodSeconds"]
        .as_u64()
        .expect("a grace period");
    assert!(
        grace >= pre_stop_seconds(&pod) + deadline + AIR,
        "grace {grace} s"
    );
}

#[test]
fn pods_are_scaled_by_a_figure_that_exists() {
    let hpa = yaml("k8s/base/backend/hpa.yaml");
    let metrics = hpa["spec"]["metrics"].as_array().expect("metrics");
    let name = metrics
        .iter()
        .find_map(|metric| metric["pods"]["metric"]["name"].as_str())
        .expect("a metric of the pods");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backend/src/metrics.rs");
    let exported = fs::read_to_string(path).expect("the backend's metrics");
    assert!(exported.contains(&format!("\"{name}\"")), "{name}");
}

#[test]
fn http2_without_tls_stays_inside_the_cluster() {
    let conf = yaml("conf/kubernetes/proxy.yaml");
    let listeners = conf["listeners"].as_array().expect("listeners");
    let inside: Vec<u64> = listeners
        .iter()
        .filter(|listener| listener["h2c"] == true)
        .map(|listener| port(&listener["address"]))
        .collect();
    assert!(!inside.is_empty());
    let balancer = yaml("k8s/base/proxy/service.yaml");
    assert_eq!(balancer["spec"]["type"], "LoadBalancer");
    for open in balancer["spec"]["ports"].as_array().expect("ports") {
        let port = open["port"].as_u64().expect("a number");
        assert!(!inside.contains(&port), "{port} is open to the Internet");
    }
}

#[test]
fn ports_of_manifests_are_those_of_the_configuration() {
    let proxy = yaml("conf/kubernetes/proxy.yaml");
    let mut wanted: Vec<u64> = proxy["listeners"]
        .as_array()
        .expect("listeners")
        .iter()
        .map(|listener| port(&listener["address"]))
        .collect();
    wanted.push(port(&proxy["admin"]["health"]));
    assert_eq!(container_ports(&pod("proxy")), wanted);

    let backend = yaml("conf/kubernetes/backend.yaml");
    let listen = port(&backend["listen"]);
    assert_eq!(container_ports(&pod("backend")), [listen]);
    let discovered = proxy["clusters"]["backend"]["discovery"]["dns"]["port"].as_u64();
    assert_eq!(
        discovered,
        Some(listen),
        "the port that discovery adds to addresses"
    );
}

#[test]
fn probes_ask_for_life_and_readiness_apart() {
    for (name, live, ready) in [
        ("proxy", "/livez", "/readyz"),
        ("backend", "/health/live", "/health/ready"),
    ] {
        let pod = pod(name);
        let container = &pod["containers"][0];
        let path = |probe: &str| {
            container[probe]["httpGet"]["path"]
                .as_str()
                .map(str::to_owned)
        };
        assert_eq!(path("startupProbe").as_deref(), Some(live), "{name}");
        assert_eq!(path("livenessProbe").as_deref(), Some(live), "{name}");
        assert_eq!(path("readinessProbe").as_deref(), Some(ready), "{name}");
    }
}

/// Seconds that are left over for signals, scheduling and the last log lines.
const AIR: u64 = 10;

fn pod(name: &str) -> Value {
    yaml(&format!("k8s/base/{name}/deployment.yaml"))["spec"]["template"]["spec"].clone()
}

fn pre_stop_seconds(pod: &Value) -> u64 {
    pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        .as_u64()
        .expect("preStop")
}

fn container_ports(pod: &Value) -> Vec<u64> {
    let ports = pod["containers"][0]["ports"].as_array().expect("ports");
    ports
        .iter()
        .filter_map(|port| port["containerPort"].as_u64())
        .collect()
}

fn port(address: &Value) -> u64 {
    let address = address.as_str().expect("an address");
    let (_, port) = address.rsplit_once(':').expect("address:port");
    port.parse().expect("a port number")
}

fn seconds(span: &Value) -> u64 {
    let text = span.as_str().expect("a duration");
    let number = text.strip_suffix('s').expect("a duration in seconds");
    number.parse().expect("whole seconds")
}

fn yaml(path: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    let text = fs::read_to_string(root.join(path)).expect(path);
    serde_saphyr::from_str(&text).expect(path)
}
