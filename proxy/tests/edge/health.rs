//! The port for kubelet and Prometheus, which come from outside.

use crate::support::client::Client;
use crate::support::endpoint::Endpoint;
use crate::support::proxy::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn the_health_port_tells_health_and_figures_and_nothing_else() {
    let a = Endpoint::start("a").await;
    let admin = ", health: 127.0.0.1:0";
    let proxy = Setup {
        admin,
        ..Setup::default()
    }
    .start(&[&a])
    .await;
    let port = proxy.app().health().expect("it is configured");
    let mut kubelet = Client::connect(port).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(kubelet.get(path, "").await.status, 200, "{path}");
    }
    for path in ["/status", "/config", "/events", "/connections", "/"] {
        assert_eq!(kubelet.get(path, "").await.status, 404, "{path}");
    }
    let mut operator = Client::connect(proxy.app().admin()).await;
    assert_eq!(operator.get("/status", "").await.status, 200);
}
