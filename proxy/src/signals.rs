//! What the operating system asks of the process.

use std::io;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use crate::app::App;
use crate::upgrade::{Program, UpgradeError};

/// Serve until SIGTERM or SIGINT, then leave politely; a second one ends it at once. SIGQUIT
/// starts `program` anew on the same sockets, and has this process leave once that one serves.
/// SIGHUP has the configuration read again.
pub fn serve(app: App, program: &Program, mut heard: Signals) {
    let wake = app.reload();
    let replaced = app.block_on(async {
        loop {
            match heard.next().await {
                Heard::Reload => wake.notify_one(),
                Heard::Stop => return false,
                Heard::Upgrade => tokio::select! {
                    upgraded = upgrade(&app, program) => match upgraded {
                        Ok(()) => return true,
                        Err(cause) => error!(%cause, "no upgrade; this process goes on"),
                    },
                    // The new process finds nobody to tell that it is ready, and ends.
                    () = heard.stop() => return false,
                },
            }
        }
    });
    let again = async move {
        heard.stop().await;
        info!("told again; ending at once");
    };
    if replaced == Some(true) {
        app.leave_to_successor(again);
    } else {
        info!("told to stop");
        app.leave(again);
    }
}

/// Returns once another process serves on our sockets.
async fn upgrade(app: &App, program: &Program) -> Result<(), UpgradeError> {
    let successor = program.start(app.sockets())?;
    info!(
        pid = successor.id(),
        "told to upgrade; the new process starts"
    );
    successor.ready().await?;
    info!("the new process serves; this one leaves");
    Ok(())
}

/// What was heard.
enum Heard {
    Stop,
    Upgrade,
    Reload,
}

/// The signals that are heard. To be made before anybody can know of the process: what comes
/// earlier ends it, as is the system's default.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on, whichever runtime waits for them later.
    pub fn listen() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let _inside = runtime.enter();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Told to stop, whatever else is heard before.
    async fn stop(&mut self) {
        while !matches!(self.next().await, Heard::Stop) {}
    }

    /// The next one. Cancel-safe: a signal is either returned or still to be heard.
    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
            _ = self.quit.recv() => Heard::Upgrade,
            _ = self.hangup.recv() => Heard::Reload,
        }
    }
}
