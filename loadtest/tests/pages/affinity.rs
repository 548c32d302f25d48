//! The affinity page: what breaks without, and that nothing breaks with.

use super::Stage;

#[tokio::test]
async fn baskets_break_without_affinity_and_never_with_it() {
    let stage = Stage::set("page-affinity").await;
    let window = &stage.window;
    window.visit(&stage.page("/affinity")).await;
    window.click("#run").await;
    for lane in ["#on-total", "#off-total", "#contract-total"] {
        window
            .text_until("every lane asks", lane, "Number(text) >= 40")
            .await;
    }
    window
        .text_until("baskets break without", "#off-broken", "Number(text) > 0")
        .await;
    window.click("#run").await;

    assert_eq!(window.number("#on-broken").await, 0, "with affinity");
    assert_eq!(
        window.number("#contract-broken").await,
        0,
        "with the contract"
    );
    assert!(
        window.number("#contract-hops").await > 0,
        "without a cookie, the edge has to search"
    );
    let loyal = "[...document.querySelectorAll('#on-clients .trail')].every((trail) => \
                 new Set([...trail.children].map((chip) => chip.textContent)).size === 1)";
    assert_eq!(
        window.run(&format!("return {loyal}")).await,
        true,
        "each stays on one process"
    );
    window.picture("affinity").await;
    stage.window.close().await;
}
