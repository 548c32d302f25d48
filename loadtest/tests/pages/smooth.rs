//! Does the page keep up with a busy market? `make test` counts what it draws; how long that takes
//! is measured on demand, because times of a shared machine prove nothing:
//! `cargo test --release -p holdfast-loadtest --test main smooth -- --ignored --nocapture`.

use serde_json::Value;

use super::window::Window;
use super::{Stage, exchange};

#[tokio::test]
async fn a_busy_market_is_drawn_in_frames_and_not_with_every_entry() {
    let stage = Stage::set("page-smooth").await;
    let window = &stage.window;
    exchange::begin(&stage).await;
    window.run(include_str!("smooth.js")).await;
    speed(window, "5").await;

    let said = window.run("return countDrawings(2000)").await;
    let count = |name: &str| said[name].as_u64().expect("a count");
    assert!(count("drawings") > 10, "it is drawn: {said}");
    assert!(
        count("drawings") <= count("frames"),
        "in frames alone: {said}"
    );
    assert!(
        2 * count("drawings") < count("entries"),
        "many entries at once: {said}"
    );
    assert_eq!(count("made"), 0, "no row is made anew: {said}");
    for counted in ["#c-gaps", "#c-reconnects"] {
        assert_eq!(window.number(counted).await, 0, "{counted}");
    }
    let checked = window.number("#c-checked").await;
    assert!(
        checked >= 10,
        "the books are right, said by {checked} checksums"
    );
    stage.window.close().await;
}

#[tokio::test]
#[ignore = "measures times: two minutes, for docs/browser.md"]
async fn frames_and_long_tasks_at_several_rates() {
    let stage = Stage::set("page-smooth-measured").await;
    let window = &stage.window;
    exchange::begin(&stage).await;
    window.run(include_str!("smooth.js")).await;
    let columns = "entries/s frames/s p50 p95 p99 worst long-tasks longest main-thread";
    println!("| market | {} |", columns.replace(' ', " | "));
    println!("|---{}|", "|---:".repeat(columns.split(' ').count()));
    for rate in ["paused", "1", "5", "10", "paused again"] {
        if rate.starts_with("paused") {
            window.click("#pause").await;
            let paused = "text === 'paused'";
            window
                .text_until("it stands still", "#simulator-state", paused)
                .await;
        } else {
            if rate == "1" {
                window.click("#pause").await;
            }
            speed(window, rate).await;
        }
        let before = window.main_thread().await;
        let said = window.run("return watchFrames(25)").await;
        println!("{}", row(rate, &said, window.main_thread().await - before));
    }
    stage.window.close().await;
}

async fn speed(window: &Window, times: &str) {
    window.choose("#speed", times).await;
    let running = format!("text === 'running × {times}'");
    window
        .text_until("the market runs faster", "#simulator-state", &running)
        .await;
}

/// One line of the table; times in milliseconds.
fn row(rate: &str, said: &Value, busy_s: f64) -> String {
    let number = |name: &str| said[name].as_f64().expect("a number");
    let each_second = |name: &str| number(name) / number("seconds");
    format!(
        "| {rate} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {} | {:.0} | {:.1} % |",
        each_second("entries"),
        each_second("frames"),
        number("p50"),
        number("p95"),
        number("p99"),
        number("worst"),
        said["tasks"],
        number("longest"),
        100.0 * busy_s / number("seconds"),
    )
}
