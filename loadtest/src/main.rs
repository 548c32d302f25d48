//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use holdfast_loadtest::cli::Arguments;

fn main() -> ExitCode {
    Arguments::parse().run()
}
