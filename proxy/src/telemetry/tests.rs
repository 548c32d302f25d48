//! The names that tools outside rely on.

use super::*;

#[test]
fn metrics_are_written_with_their_names_and_labels() {
    let telemetry = Telemetry::new();
    telemetry.moved(
        Relay::WebSocket,
        "drain",
        "moved",
        Some(Duration::from_millis(20)),
    );
    telemetry.lost("deadline");
    telemetry.response("root", 204);
    telemetry.published(7);
    telemetry.observe(Arc::default());
    let text = telemetry.text(&Snapshot::default());
    for line in [
        "holdfast_moves_total{cause=\"drain\",outcome=\"moved\",relay=\"websocket\"} 1",
        "holdfast_lost_total{reason=\"deadline\"} 1",
        "holdfast_responses_total{class=\"2xx\",route=\"root\"} 1",
        "holdfast_move_seconds_bucket{le=\"0.02\"} 1",
        "holdfast_move_seconds_bucket{le=\"0.01\"} 0",
        "holdfast_snapshot_number 7",
        "holdfast_parked 0",
        "holdfast_held_bytes 0",
        "holdfast_buffer_full_total{buffer=\"process\"} 0",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}
