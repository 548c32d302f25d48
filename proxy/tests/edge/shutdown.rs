//! The process leaves: not ready first, still serving, then nobody is let in.

use rustix::process::Signal;

use crate::support::client::{Client, within};
use crate::support::endpoint::Endpoint;
use crate::support::process::Process;
use crate::support::proxy::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_served_while_the_load_balancer_learns_and_the_end_does_not_wait() {
    let a = Endpoint::start("a").await;
    let top = "shutdown: { propagation: 3s, spread: 1s, deadline: 40s }\n".to_owned();
    let mut proxy = Setup {
        top,
        ..Setup::default()
    }
    .start(&[&a])
    .await;
    let mut idle = proxy.client().await;
    assert_eq!(idle.get("/", "").await.status, 200);
    let mut operator = Client::connect(proxy.app().admin()).await;
    assert_eq!(operator.get("/readyz", "").await.status, 200);
    let app = proxy.take();
    let left = std::thread::spawn(move || app.leave(std::future::pending()));
    assert_eq!(
        proxy.client().await.get("/", "").await.status,
        200,
        "still serving"
    );
    within("readiness is withdrawn", async {
        while operator.get("/readyz", "").await.status == 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(idle.closed().await, "an idle connection is closed");
    let left = tokio::task::spawn_blocking(move || left.join().expect("no panic"));
    assert_eq!(left.await.expect("no panic"), 0, "nobody was cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_to_stop_ends_as_soon_as_it_is_empty() {
    let a = Endpoint::start("a").await;
    let setup = Setup {
        top: "shutdown: { propagation: 0s, spread: 1s, deadline: 600s }\n".to_owned(),
        ..Setup::default()
    };
    let mut proxy = Process::start(&setup.file(&[&a])).await;
    let mut idle = Client::connect(proxy.address).await;
    assert_eq!(idle.get("/", "").await.status, 200);
    proxy.signal(Signal::TERM);
    proxy.logged("no new connections").await;
    assert!(idle.closed().await, "between two requests");
    assert!(proxy.ended().await.success(), "long before the deadline");
}
