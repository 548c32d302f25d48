//! A chart of lines and points, as SVG that is readable on a light and on a dark page.

use std::fmt::Write;

/// How the numbers of an axis lie.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

/// One axis: what it shows, with its unit, and from where to where.
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) scale: Scale,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) marks: Vec<f64>,
}

/// Something drawn, and what it is.
pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) dots: bool,
}

pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    /// Where the names of the series begin, from the left.
    pub(crate) legend: f64,
}

/// Places of the legend where nothing is drawn below it.
pub(crate) const LEGEND_LEFT: f64 = 90.0;
pub(crate) const LEGEND_RIGHT: f64 = 410.0;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 300.0;

impl Axis {
    /// Where a value lies between the ends, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Logarithmic => (value / self.from).ln() / (self.to / self.from).ln(),
        }
    }

    fn holds(&self, value: f64) -> bool {
        value.is_finite() && value >= self.from && value <= self.to
    }
}

impl Chart {
    pub(crate) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n{STYLE}\
             <title>{title}</title>\n<rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n\
             <text x=\"{LEFT}\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{title}</text>\n",
            title = self.title
        );
        self.axes(&mut svg);
        for (index, series) in self.series.iter().enumerate() {
            self.draw(&mut svg, index, series);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn axes(&self, svg: &mut String) {
        for mark in &self.x.marks {
            let x = self.x_of(*mark);
            let text = number(*mark);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/>\
                 <text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>",
                y = BOTTOM + 16.0
            );
        }
        for mark in &self.y.marks {
            let y = self.y_of(*mark);
            let text = number(*mark);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
                 <text x=\"{x}\" y=\"{at:.1}\" text-anchor=\"end\">{text}</text>",
                x = LEFT - 6.0,
                at = y + 4.0
            );
        }
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n\
             <text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{x}</text>\n\
             <text transform=\"translate(16 {centre}) rotate(-90)\" text-anchor=\"middle\">\
             {y}</text>\n",
            middle = (LEFT + RIGHT) / 2.0,
            below = BOTTOM + 36.0,
            centre = (TOP + BOTTOM) / 2.0,
            x = self.x.label,
            y = self.y.label
        );
    }

    fn draw(&self, svg: &mut String, index: usize, series: &Series) {
        let inside = |point: &&(f64, f64)| self.x.holds(point.0) && self.y.holds(point.1);
        let points = series.points.iter().filter(inside);
        let mut path = String::new();
        for (x, y) in points.map(|(x, y)| (self.x_of(*x), self.y_of(*y))) {
            if series.dots {
                let _ = write!(
                    svg,
                    "<circle class=\"dot c{index}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>"
                );
            } else {
                let letter = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(path, "{letter}{x:.1} {y:.1}");
            }
        }
        let _ = writeln!(svg, "<path class=\"line c{index}\" d=\"{path}\"/>");
        let y = TOP + 14.0 + 18.0 * index as f64;
        let (start, text) = (self.legend, self.legend + 28.0);
        let sample = if series.dots {
            format!(
                "<circle class=\"dot c{index}\" cx=\"{}\" cy=\"{y}\" r=\"3\"/>",
                start + 11.0
            )
        } else {
            format!("<path class=\"line c{index}\" d=\"M{start} {y}h22\"/>")
        };
        let _ = writeln!(
            svg,
            "{sample}<text x=\"{text}\" y=\"{}\">{}</text>",
            y + 4.0,
            series.label
        );
    }

    fn x_of(&self, value: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.x.share(value)
    }

    fn y_of(&self, value: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * self.y.share(value)
    }
}

/// As short as it can be written.
fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.001 {
        return format!("{value:e}");
    }
    format!("{value}")
}

/// Colours of their own on either page; the second line of a chart is dashed, so that colours are
/// not all that tells it from the first.
const STYLE: &str = "<style>
.page{fill:#fff}text{fill:#222}.grid{stroke:#ddd;fill:none}.axis{stroke:#555;fill:none}
.line{fill:none;stroke-width:1.8}.c0{stroke:#0b62c4}.c1{stroke:#c2410c;stroke-dasharray:6 4}
.c2{stroke:#15803d;stroke-dasharray:2 3}.dot{stroke:none}.dot.c0{fill:#0b62c4}.dot.c1{fill:#c2410c}
@media (prefers-color-scheme:dark){.page{fill:#14171c}text{fill:#e6e6e6}.grid{stroke:#333a44}
.axis{stroke:#9aa4b2}.c0{stroke:#6ab0ff}.c1{stroke:#ff9a5c}.c2{stroke:#5fd38a}
.dot.c0{fill:#6ab0ff}.dot.c1{fill:#ff9a5c}}
</style>
";
