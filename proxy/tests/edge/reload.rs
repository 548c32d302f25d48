//! A changed file is taken over whole, or not at all.

use crate::support::client::within;
use crate::support::endpoint::Endpoint;
use crate::support::proxy::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_changes_who_answers_and_a_broken_one_changes_nothing() {
    let (a, b) = (Endpoint::start("a").await, Endpoint::start("b").await);
    let proxy = Setup::default().start(&[&a]).await;
    assert_eq!(proxy.client().await.get("/", "").await.text(), "a");
    std::fs::write(&proxy.config, "listeners: []\n").expect("written");
    proxy.app().reload().notify_one();
    assert_eq!(proxy.client().await.get("/", "").await.text(), "a");
    std::fs::write(&proxy.config, Setup::default().file(&[&b])).expect("written");
    proxy.app().reload().notify_one();
    within("the new file is in force", async {
        while proxy.client().await.get("/", "").await.text() != "b" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
