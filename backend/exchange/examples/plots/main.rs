//! Draws what the synthetic market is like, as SVG.
//!
//! `cargo run --release -p holdfast-exchange --example plots -- docs/plots`

mod chart;
mod draw;
mod facts;
#[path = "../../tests/exchange/statistics.rs"]
mod statistics;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: plots FOLDER");
        return ExitCode::from(64);
    };
    match draw::all(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{folder}: {error}");
            ExitCode::FAILURE
        }
    }
}
