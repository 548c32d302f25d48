//! The report as one HTML page that needs nothing else.

use std::fmt::Write as _;

use super::report::Report;

/// The page.
pub(super) fn html(report: &Report) -> String {
    let bars: Vec<(String, u64)> = report.pauses.bars().collect();
    let most = bars
        .iter()
        .map(|(_, count)| *count)
        .max()
        .unwrap_or_default();
    let mut chart = String::new();
    for (label, count) in &bars {
        // Logarithmic: one long pause among millions of short ones must be seen.
        let width = 100.0 * (*count as f64).ln_1p() / (most.max(1) as f64).ln_1p();
        let _ = write!(
            chart,
            "<tr><th scope=\"row\">{label}</th><td>{count}</td>\
             <td class=\"bar\"><div style=\"width:{width:.1}%\"></div></td></tr>"
        );
    }
    TEMPLATE
        .replace("{{title}}", &escape(&report.name()))
        .replace(
            "{{verdict}}",
            if report.balanced {
                "balanced"
            } else {
                "not balanced"
            },
        )
        .replace("{{report}}", &escape(&report.to_string()))
        .replace("{{chart}}", &chart)
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
  th { text-align: right; font-weight: normal; white-space: nowrap; padding-right: 1rem; }
  td { text-align: right; padding-right: 1rem; }
  .bar { width: 70%; padding: 0; }
  .bar div { height: 1rem; background: #3a7bd5; border-radius: 0 .25rem .25rem 0; }
</style>
<h1>{{title}}: {{verdict}}</h1>
<pre>{{report}}</pre>
<h2>Pauses between two messages</h2>
<p>All connections together; the bars grow with the logarithm of the count.</p>
<table>{{chart}}</table>
</html>
"#;
