//! Arguments, configuration, the app, the exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use holdfast_backend::app::{self, App};
use holdfast_backend::config::{self, Config};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A revived session is thousands of small allocations, and hundreds of them come at once.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Sessions and their simulated exchanges behind REST, WebSocket, event streams and gRPC.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM, then let every session go.
    Run {
        /// The configuration; conf/backend.yaml explains every key.
        #[arg(long)]
        config: PathBuf,
    },
    /// Say what is wrong with a configuration, and do nothing else.
    Check {
        /// The configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// Bring the ledger's database up to date, which `run` does by itself. Ends with 0 when it
    /// is, with 3 when a dry run found something to do, with 1 when it cannot be done.
    Migrate {
        /// The configuration.
        #[arg(long)]
        config: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the JSON Schema of the configuration.
    Schema,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config } => loaded(config, run),
        Command::Check { config } => {
            let name = config.display().to_string();
            loaded(config, |_| {
                println!("{name}: good");
                ExitCode::SUCCESS
            })
        }
        Command::Migrate { config, dry_run } => loaded(config, |config| migrate(&config, dry_run)),
        Command::Schema => {
            let schema = schemars::schema_for!(config::file::Config);
            println!(
                "{}",
                serde_json::to_string_pretty(&schema).unwrap_or_default()
            );
            ExitCode::SUCCESS
        }
    }
}

fn loaded(path: PathBuf, then: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    match Config::load(&path) {
        Ok(config) => then(config),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(BAD_CONFIGURATION)
        }
    }
}

fn run(config: Config) -> ExitCode {
    let filter = EnvFilter::try_from_env("HOLDFAST_LOG").unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt().json().with_env_filter(filter);
    log.with_writer(std::io::stderr).init();
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the backend cannot start");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn migrate(config: &Config, dry_run: bool) -> ExitCode {
    let Some(ledger) = app::ledger(&config.ledger.kind) else {
        println!("no ledger is configured: nothing to do");
        return ExitCode::SUCCESS;
    };
    let place = ledger.place();
    let done = match dry_run {
        true => ledger.check().await,
        false => ledger.migrate().await,
    };
    match done {
        Ok(report) => {
            print!("{place}\n{}", report.lines(dry_run));
            match report.pending.is_empty() || !dry_run {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(TO_DO),
            }
        }
        Err(error) => {
            eprintln!("{place}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let app = App::start(config).await?;
    tracing::info!(address = %app.address(), "serving");
    let leave = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    app.serve(leave).await;
    Ok(())
}

/// EX_USAGE of sysexits.h.
const BAD_CONFIGURATION: u8 = 64;

/// A dry run found migrations that are not applied; 2 is for wrong arguments.
const TO_DO: u8 = 3;
