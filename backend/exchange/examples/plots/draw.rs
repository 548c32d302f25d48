//! The charts, one for each thing the market is held to.

use crate::chart::{Axis, Chart, LEGEND_LEFT, LEGEND_RIGHT, Scale, Series};
use crate::facts;
use crate::statistics::{autocorrelation, autocorrelation_over, kurtosis, mean, returns};
use std::io;
use std::path::Path;

/// Writes every chart into a folder.
pub(crate) fn all(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let write = |name: &str, chart: &Chart| {
        std::fs::write(folder.join(name).with_extension("svg"), chart.svg())
    };
    write("spread", &spread())?;
    write("depth", &depth())?;
    let (middles, signs) = facts::run(&facts::delivered("volatile.yaml")?, 24);
    let crowd_only = {
        let mut scenario = holdfast_exchange::Scenario::default();
        scenario.symbols.truncate(1);
        scenario.flow = holdfast_exchange::FlowSettings::default();
        scenario
    };
    let (_, plain_signs) = facts::run(&crowd_only, 24);
    print_figures(&middles, &signs);
    write("returns", &tails(&middles))?;
    write("autocorrelation", &memory(&middles))?;
    write("signs", &sign_memory(&signs, &plain_signs))
}

/// The figures of `docs/simulator.md`.
fn print_figures(middles: &[f64], signs: &[f64]) {
    for (name, step) in [("1 s", 1), ("10 s", 10), ("60 s", 60), ("300 s", 300)] {
        println!(
            "kurtosis over {name}: {:.1}",
            kurtosis(&returns(middles, step))
        );
    }
    let seconds = returns(middles, 1);
    let sizes: Vec<f64> = seconds.iter().map(|change| change.abs()).collect();
    for (from, to) in [(1, 2), (1, 10), (10, 60), (60, 120)] {
        println!(
            "lags {from} to below {to}: returns {:.4}, sizes {:.4}, signs {:.4}",
            autocorrelation_over(&seconds, from..to),
            autocorrelation_over(&sizes, from..to),
            autocorrelation_over(signs, from..to)
        );
    }
}

/// Mean spread over cancellations, in units of market rate over limit rate, beside the published
/// fit.
fn spread() -> Chart {
    let (limits, markets) = (0.05, 4.0);
    let ratios = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4];
    let measured = ratios.map(|ratio| {
        let scenario = facts::crowd(limits, markets, ratio * markets);
        let (_, spread) = facts::book(&scenario, 20_000);
        println!("spread at {ratio}: {:.4}", spread * limits / markets);
        (ratio, spread * limits / markets)
    });
    let fit = |ratio: f64| 0.28 + 1.86 * ratio.powf(0.75);
    let steps = (0..=60).map(|step| 0.002 * (200.0_f64).powf(f64::from(step) / 60.0));
    Chart {
        title: "Base layer: mean spread",
        x: Axis {
            label: "cancel_rate / market_rate (no unit)",
            scale: Scale::Logarithmic,
            from: 0.0015,
            to: 0.5,
            marks: vec![0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4],
        },
        y: Axis {
            label: "spread × limit_rate / market_rate (no unit)",
            scale: Scale::Linear,
            from: 0.0,
            to: 1.4,
            marks: vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4],
        },
        legend: LEGEND_LEFT,
        series: vec![
            Series {
                label: "measured".to_owned(),
                points: measured.to_vec(),
                dots: true,
            },
            Series {
                label: "0.28 + 1.86 x^(3/4), published".to_owned(),
                points: steps.map(|ratio| (ratio, fit(ratio))).collect(),
                dots: false,
            },
        ],
    }
}

/// Mean depth of each price beside the closed form far from the best.
fn depth() -> Chart {
    let (limits, markets, cancels) = (0.05, 4.0, 0.02);
    let (depth, _) = facts::book(&facts::crowd(limits, markets, cancels), 20_000);
    let points = (1..).map(f64::from).zip(depth).step_by(2);
    Chart {
        title: "Base layer: mean depth of a price",
        x: Axis {
            label: "distance from the opposite best (ticks)",
            scale: Scale::Linear,
            from: 0.0,
            to: 400.0,
            marks: (0..=8).map(|mark| f64::from(mark) * 50.0).collect(),
        },
        y: Axis {
            label: "mean depth (lots)",
            scale: Scale::Linear,
            from: 0.0,
            to: 3.5,
            marks: (0..=7).map(|mark| f64::from(mark) * 0.5).collect(),
        },
        legend: LEGEND_RIGHT,
        series: vec![
            Series {
                label: "measured".to_owned(),
                points: points.collect(),
                dots: false,
            },
            Series {
                label: "limit_rate / cancel_rate".to_owned(),
                points: vec![(0.0, limits / cancels), (400.0, limits / cancels)],
                dots: false,
            },
        ],
    }
}

/// How often a return exceeds so many standard deviations.
fn tails(middles: &[f64]) -> Chart {
    let beyond = |step: usize| {
        let returns = returns(middles, step);
        let centre = mean(&returns);
        let squares: Vec<f64> = returns.iter().map(|r| (r - centre).powi(2)).collect();
        let deviation = mean(&squares).sqrt();
        let count = returns.len() as f64;
        let share = move |x: f64| {
            let larger = returns
                .iter()
                .filter(|r| (**r - centre).abs() > x * deviation);
            larger.count() as f64 / count
        };
        (1..=120)
            .map(move |step| f64::from(step) / 10.0)
            .map(move |x| (x, share(x)))
    };
    let line = |label: &str, points: Vec<(f64, f64)>| Series {
        label: label.to_owned(),
        points,
        dots: false,
    };
    let normal = (1..=60).map(|step| f64::from(step) / 10.0);
    let normal = normal.map(|x| (x, libm::erfc(x / std::f64::consts::SQRT_2)));
    Chart {
        title: "volatile.yaml: tails of returns",
        x: Axis {
            label: "size of the return (standard deviations)",
            scale: Scale::Linear,
            from: 0.0,
            to: 12.0,
            marks: (0..=6).map(|mark| f64::from(mark) * 2.0).collect(),
        },
        y: Axis {
            label: "share of larger ones (no unit)",
            scale: Scale::Logarithmic,
            from: 1e-5,
            to: 1.0,
            marks: vec![1e-5, 1e-4, 0.001, 0.01, 0.1, 1.0],
        },
        legend: LEGEND_RIGHT,
        series: vec![
            line("returns over 1 s", beyond(1).collect()),
            line("returns over 60 s", beyond(60).collect()),
            line("normal distribution", normal.collect()),
        ],
    }
}

/// Autocorrelation of returns, and of their sizes.
fn memory(middles: &[f64]) -> Chart {
    let seconds = returns(middles, 1);
    let sizes: Vec<f64> = seconds.iter().map(|change| change.abs()).collect();
    Chart {
        title: "volatile.yaml: what returns remember",
        x: lags("lag (seconds)", 120),
        y: Axis {
            label: "autocorrelation (no unit)",
            scale: Scale::Linear,
            from: -0.2,
            to: 0.4,
            marks: vec![-0.2, -0.1, 0.0, 0.1, 0.2, 0.3, 0.4],
        },
        legend: LEGEND_RIGHT,
        series: vec![
            correlogram("returns", &seconds, 120),
            correlogram("their absolute values", &sizes, 120),
        ],
    }
}

/// Autocorrelation of the signs of trades.
fn sign_memory(signs: &[f64], plain: &[f64]) -> Chart {
    Chart {
        title: "What the signs of trades remember",
        x: lags("lag (trades)", 100),
        y: Axis {
            label: "autocorrelation (no unit)",
            scale: Scale::Linear,
            from: -0.05,
            to: 0.3,
            marks: vec![0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3],
        },
        legend: LEGEND_RIGHT,
        series: vec![
            correlogram("volatile.yaml", signs, 100),
            correlogram("crowd alone", plain, 100),
        ],
    }
}

fn lags(label: &'static str, most: u32) -> Axis {
    Axis {
        label,
        scale: Scale::Linear,
        from: 0.0,
        to: f64::from(most),
        marks: (0..=most).step_by(20).map(f64::from).collect(),
    }
}

fn correlogram(label: &str, values: &[f64], most: usize) -> Series {
    let points = (1..=most).map(|lag| (lag as f64, autocorrelation(values, lag)));
    Series {
        label: label.to_owned(),
        points: points.collect(),
        dots: false,
    }
}
