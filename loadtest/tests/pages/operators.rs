//! The operators' page: what is there, and a drain seen from its beginning to its end.

use super::{Stage, exchange};

#[tokio::test]
async fn operators_see_every_endpoint_and_drain_one() {
    let stage = Stage::set("page-operators").await;
    let window = &stage.window;
    exchange::begin(&stage).await;
    window.visit(&stage.operators()).await;

    for endpoint in ["a", "b", "c", "sa", "sb", "sc"] {
        window
            .text_until(
                "every endpoint is up",
                &format!("[data-endpoint={endpoint:?}]"),
                "text.includes('ready') && text.includes('up')",
            )
            .await;
    }
    let a = "[data-cluster='backend'] [data-endpoint='a']";
    window.click(&format!("{a} [data-verb='drain']")).await;
    window
        .text_until("it drains", a, "text.includes('drain')")
        .await;
    window
        .text_until("the event is shown", "#events", "text.includes('drain')")
        .await;
    window
        .text_until("it is empty in the end", a, "text.includes('drained')")
        .await;
    window.picture("operators-drained").await;
    window.click(&format!("{a} [data-verb='ready']")).await;
    window
        .until(
            "it takes clients again",
            &format!(
                "document.querySelector({:?}).disabled",
                format!("{a} [data-verb='ready']")
            ),
        )
        .await;

    window.click(&format!("{a} [data-verb='maint']")).await;
    window
        .until(
            "maintenance is asked about",
            "document.querySelector('#confirm').open",
        )
        .await;
    window.click("#confirm [value='cancel']").await;
    window
        .text_until("nothing was done", a, "!text.startsWith('maint')")
        .await;
    stage.window.close().await;
}
