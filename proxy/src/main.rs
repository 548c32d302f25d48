//! `holdfast-proxy`: arguments in, exit code out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use holdfast_proxy::app::App;
use holdfast_proxy::config::{Config, SecretBytes};
use holdfast_proxy::explain::{Question, explain};
use holdfast_proxy::operator;
use holdfast_proxy::signals::{self, Signals};
use holdfast_proxy::upgrade::{Predecessor, Program};
use tracing_subscriber::EnvFilter;

/// A session-affinity edge for stateful, long-lived connections.
#[derive(Parser)]
#[command(name = "holdfast-proxy", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop.
    Run {
        /// The configuration.
        #[arg(long)]
        config: PathBuf,
        /// Take the listening sockets from the process that started this one (SIGQUIT).
        #[arg(long)]
        inherit: bool,
    },
    /// Say whether a configuration is right, and what is wrong with it.
    Check {
        /// The configuration.
        #[arg(long)]
        config: PathBuf,
    },
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Say where a request would go, and why.
    Explain {
        /// The configuration.
        #[arg(long)]
        config: PathBuf,
        /// The path, perhaps with a query.
        #[arg(long)]
        path: String,
        /// The value of the affinity cookie.
        #[arg(long)]
        cookie: Option<String>,
        /// The host.
        #[arg(long, default_value = "localhost")]
        host: String,
        /// The method.
        #[arg(long, default_value = "GET")]
        method: String,
        /// A header field as `name: value`; may be given several times.
        #[arg(long = "header")]
        headers: Vec<String>,
    },
    /// Talk to a running proxy.
    #[command(flatten)]
    Operator(operator::Command),
    /// Print a new key: 64 hex digits.
    Keygen,
}

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("HOLDFAST_LOG").unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt()
        .json()
        .with_writer(std::io::stderr);
    log.with_env_filter(filter).init();
    match Arguments::parse().command {
        Command::Run { config, inherit } => with_config(&config, |config| run(config, inherit)),
        Command::Check { config } => with_config(&config, |config| {
            for warning in &config.warnings {
                say(&format!("warning: {}", warning.in_file(&config.path)));
            }
            say(&format!("{}: ok", config.path.display()));
            ExitCode::SUCCESS
        }),
        Command::Schema => {
            say(&serde_json::to_string_pretty(&Config::schema()).unwrap_or_default());
            ExitCode::SUCCESS
        }
        Command::Explain {
            config,
            path,
            cookie,
            host,
            method,
            headers,
        } => {
            let field = |line: &String| {
                let (name, value) = line.split_once(':')?;
                Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            };
            let fields = headers.iter().filter_map(field).collect();
            let question = Question {
                path,
                host,
                method,
                cookie,
                fields,
            };
            with_config(&config, |config| {
                say(explain(config, &question).to_string().trim_end());
                ExitCode::SUCCESS
            })
        }
        Command::Operator(command) => command.run(),
        Command::Keygen => {
            say(&SecretBytes::random().hex());
            ExitCode::SUCCESS
        }
    }
}

fn with_config(path: &Path, then: impl FnOnce(&Config) -> ExitCode) -> ExitCode {
    match Config::load(path) {
        Ok(config) => then(&config),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(EX_USAGE)
        }
    }
}

fn run(config: &Config, inherit: bool) -> ExitCode {
    match start(config, inherit) {
        Ok((app, program, heard)) => {
            signals::serve(app, &program, heard);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn start(config: &Config, inherit: bool) -> Result<(App, Program, Signals), String> {
    let program = Program::this().map_err(|error| format!("cannot find this program: {error}"))?;
    let heard = Signals::listen().map_err(|error| format!("cannot hear signals: {error}"))?;
    if !inherit {
        let app = App::start(config).map_err(|error| error.to_string())?;
        return Ok((app, program, heard));
    }
    let refused = |error| format!("no sockets at standard input: {error}");
    let (predecessor, sockets) = Predecessor::at_stdin().map_err(refused)?;
    let app = App::inherit(config, sockets).map_err(|error| error.to_string())?;
    app.block_on(app.ready());
    predecessor.ready().map_err(refused)?;
    Ok((app, program, heard))
}

#[expect(
    clippy::print_stdout,
    reason = "a command's answer belongs on standard output"
)]
fn say(text: &str) {
    println!("{text}");
}

#[expect(
    clippy::print_stderr,
    reason = "a person reads this, not a log collector"
)]
fn complain(text: &str) {
    eprintln!("{text}");
}

/// The configuration is wrong (sysexits.h).
const EX_USAGE: u8 = 64;
