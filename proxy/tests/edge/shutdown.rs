//! The process leaves: not ready first, still serving, then nobody is let in.

use crate::support::client::Client;
use crate::support::endpoint::Endpoint;
use crate::support::proxy::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_served_while_the_load_balancer_learns_and_the_end_does_not_wait() {
    let a = Endpoint::start("a").await;
    let top = "shutdown: { propagation: 500ms, spread: 1s, deadline: 40s }\n".to_owned();
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
    while operator.get("/readyz", "").await.status == 200 {
        tokio::task::yield_now().await;
    }
    assert!(idle.closed().await, "an idle connection is closed");
    let left = tokio::task::spawn_blocking(move || left.join().expect("no panic"));
    assert_eq!(left.await.expect("no panic"), 0, "nobody was cut off");
}
