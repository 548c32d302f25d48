//! The benchmark measures something in every case; what it measures is for people to judge.

use crate::support::directory;
use crate::support::process::{LOADTEST, Running, bin_dir};

#[tokio::test]
async fn every_case_yields_a_cost_and_the_report_says_what_was_measured() {
    let dir = directory("bench");
    let (place, bins) = (dir.display().to_string(), bin_dir().display().to_string());
    let arguments = [
        "bench",
        "--contestants",
        "holdfast",
        "--rounds",
        "1",
        "--seconds",
        "1",
        "--connections",
        "4",
        "--idle",
        "50",
        "--dir",
        &place,
        "--bin-dir",
        &bins,
    ];
    let mut bench = Running::start(LOADTEST.as_ref(), &arguments);
    let line = bench.says("report: ").await;
    let path = line
        .strip_prefix("report: ")
        .expect("at the start of the line");
    let text = std::fs::read_to_string(path).expect("the report");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");

    let results = report["results"].as_array().expect("a list");
    let cases: Vec<_> = results
        .iter()
        .filter_map(|result| result["case"].as_str())
        .collect();
    assert_eq!(cases, ["http", "echo", "connect", "sse", "idle"]);
    for result in results {
        let cost = result["contestants"]["holdfast"]["median"]
            .as_f64()
            .expect("a number");
        assert!(cost > 0.0, "{result}");
    }
    let version = report["versions"]["holdfast"].as_str().expect("a version");
    assert!(version.starts_with("holdfast-proxy"), "{version}");
    assert!(
        report["machine"]["cores"]
            .as_u64()
            .is_some_and(|cores| cores > 0)
    );
}
