//! What the operating system asks of the process.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info};

use crate::app::App;

/// Serve until SIGTERM or SIGINT, then leave politely; a second one ends it at once.
/// SIGHUP has the configuration read again.
pub fn serve(app: App) {
    let wake = app.reload();
    let waited = app.block_on(async {
        if let Ok(mut hangup) = signal(SignalKind::hangup()) {
            tokio::spawn(async move {
                while hangup.recv().await.is_some() {
                    wake.notify_one();
                }
            });
        }
        match (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        ) {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                either(&mut terminate, &mut interrupt).await;
                Some((terminate, interrupt))
            }
            (Err(cause), _) | (_, Err(cause)) => {
                error!(%cause, "no signals can be heard");
                None
            }
        }
    });
    let Some(Some((mut terminate, mut interrupt))) = waited else {
        return;
    };
    info!("told to stop");
    app.leave(async move {
        either(&mut terminate, &mut interrupt).await;
        info!("told again; ending at once");
    });
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
