//! The command line: which part of the crate runs, and what its end means to the shell.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::{bench, conformance, lab, process, profile, sticky, terminal};

/// A whole Holdfast edge on this machine, and the tools that load it.
#[derive(Debug, Parser)]
#[command(name = "holdfast-loadtest", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

impl Arguments {
    /// Runs the command to its end. 64 stands for a wrong argument, 1 for any other failure.
    #[must_use]
    pub fn run(self) -> ExitCode {
        match self.command {
            // Becomes another program, so it must not have started a runtime before.
            Command::Tied(options) => failed(&process::tied(&options)),
            Command::Lab(options) => block_on(|stop| lab::run(options, stop)),
            Command::Run(options) => block_on(|stop| profile::run(options, stop)),
            Command::Report(options) => match profile::print_reports(&options) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error),
            },
            Command::Conformance(options) => block_on(|stop| conformance::run(options, stop)),
            Command::StickyApp(options) => block_on(|stop| sticky::run(options, stop)),
            Command::Bench(options) => block_on(|stop| bench::run(options, stop)),
            Command::BenchOrigin(options) => block_on(|stop| bench::origin::run(options, stop)),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start backends, sticky applications and a proxy on this machine, until Ctrl-C
    Lab(lab::Options),
    /// Load a lab with live sessions, disturb it, and check every message
    Run(profile::Options),
    /// Print the reports of earlier runs
    Report(profile::ReportOptions),
    /// Play the proxy towards a backend and check that it keeps the handoff contract
    Conformance(conformance::Options),
    /// Serve the opaque application that keeps its clients' state in memory
    StickyApp(sticky::Options),
    /// Measure the proxy's CPU time and memory beside nginx and HAProxy
    Bench(bench::Options),
    /// The server behind the proxies of `bench`
    #[command(hide = true)]
    BenchOrigin(bench::origin::Options),
    /// Become another program that ends when this one's parent ends
    #[command(hide = true)]
    Tied(process::Tied),
}

/// One thread: children must be started by a thread that lives as long as the process, because
/// the kernel ends them with the thread that started them (see [`process`]).
fn block_on<F, E>(command: impl FnOnce(CancellationToken) -> F) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: std::error::Error,
{
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let signals = tokio::spawn(stop_on_signal(stop.clone()));
        let outcome = command(stop).await;
        signals.abort();
        outcome.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
    })
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    stop.cancel();
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let mut text = format!("holdfast-loadtest: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    terminal::warn(text);
    ExitCode::from(1)
}
