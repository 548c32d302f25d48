//! The report as one HTML page that needs nothing else.

use std::fmt::Write as _;

use super::group::{Percentiles, Sight};
use super::report::Report;

/// The page.
pub(super) fn html(report: &Report) -> String {
    let verdict = if report.balanced() {
        "balanced"
    } else {
        "not balanced"
    };
    TEMPLATE
        .replace("{{title}}", &escape(&report.name()))
        .replace("{{verdict}}", verdict)
        .replace("{{levels}}", &levels(report))
        .replace("{{times}}", &times(report))
        .replace("{{charts}}", &charts(report))
        .replace("{{report}}", &escape(&report.to_string()))
}

fn levels(report: &Report) -> String {
    let mut rows = String::new();
    for level in &report.levels {
        let class = if level.met { "met" } else { "missed" };
        let _ = write!(
            rows,
            "<tr class=\"{class}\"><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{class}</td>\
             </tr>",
            escape(&level.measure),
            escape(&level.target),
            escape(&level.measured)
        );
    }
    rows
}

fn times(report: &Report) -> String {
    let mut rows = String::new();
    for (name, sight) in groups(report) {
        for (kind, of) in sight.rows() {
            let Percentiles {
                p50,
                p90,
                p99,
                most,
            } = of;
            let _ = write!(
                rows,
                "<tr><th scope=\"row\">{kind}, {name}</th><td>{p50:.0}</td><td>{p90:.0}</td>\
                 <td>{p99:.0}</td><td>{most:.0}</td></tr>"
            );
        }
    }
    rows
}

fn charts(report: &Report) -> String {
    let mut charts = String::new();
    for (name, sight) in groups(report) {
        let bars: Vec<(String, u64)> = sight.gaps.bars().collect();
        let most = bars.iter().map(|(_, count)| *count).max();
        let most = (most.unwrap_or_default().max(1) as f64).ln_1p();
        let _ = write!(
            charts,
            "<h3>{name}: {} sessions</h3><table>",
            sight.sessions
        );
        for (label, count) in &bars {
            // Logarithmic: one long gap among millions of short ones must be seen.
            let width = 100.0 * (*count as f64).ln_1p() / most;
            let _ = write!(
                charts,
                "<tr><th scope=\"row\">{label}</th><td>{count}</td>\
                 <td class=\"bar\"><div style=\"width:{width:.1}%\"></div></td></tr>"
            );
        }
        charts.push_str("</table>");
    }
    charts
}

fn groups(report: &Report) -> impl Iterator<Item = (&'static str, &Sight)> {
    let moved = report.moved.iter().map(|sight| ("moved", sight));
    let unmoved = report.reference.iter().map(|sight| ("unmoved", sight));
    moved.chain(unmoved)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

const TEMPLATE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Holdfast: {{title}}</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  pre { overflow-x: auto; padding: 1rem; border: 1px solid #8886; border-radius: .5rem; }
  table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
  th { text-align: left; font-weight: normal; padding-right: 1rem; }
  td { text-align: right; padding-right: 1rem; white-space: nowrap; }
  tr + tr { border-top: 1px solid #8883; }
  thead td { opacity: .7; }
  .missed { color: #c33; font-weight: bold; }
  .bar { width: 65%; padding: 0; }
  .bar div { height: 1rem; background: #3a7bd5; border-radius: 0 .25rem .25rem 0; }
</style>
<h1>{{title}}: {{verdict}}</h1>
<h2>Service levels</h2>
<table><thead><tr><td></td><td>wanted</td><td>measured</td><td></td></tr></thead>{{levels}}</table>
<h2>What clients saw of time, in milliseconds</h2>
<p>Moved sessions beside sessions on an endpoint that nobody touched, in the same run.</p>
<table><thead><tr><td></td><td>p50</td><td>p90</td><td>p99</td><td>most</td></tr></thead>
{{times}}</table>
<h2>Gaps between two messages</h2>
<p>All connections together; the bars grow with the logarithm of the count.</p>
{{charts}}
<h2>The whole report</h2>
<pre>{{report}}</pre>
</html>
"#;
