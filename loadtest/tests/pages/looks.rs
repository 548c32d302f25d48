//! What everybody sees first: both screens, both colour schemes, nothing that sticks out.

use super::window::{Scheme, Screen};
use super::{Stage, exchange};

#[tokio::test]
async fn pages_fit_laptop_and_phone_in_light_and_dark() {
    let stage = Stage::set("page-looks").await;
    let window = &stage.window;
    exchange::begin(&stage).await;
    for (name, address) in [
        ("exchange", None),
        ("affinity", Some(stage.page("/affinity"))),
        ("operators", Some(stage.operators())),
    ] {
        if let Some(address) = address {
            window.visit(&address).await;
        }
        for scheme in [Scheme::Light, Scheme::Dark] {
            for screen in [Screen::Laptop, Screen::Phone] {
                window.on(screen, scheme).await;
                let looks = format!("{name}-{}-{}", screen.name(), scheme.name());
                window
                    .until(
                        &format!("{looks} fits its width"),
                        "(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth)\
                         (document.documentElement)",
                    )
                    .await;
                let unnamed = window.run(UNNAMED).await;
                assert_eq!(
                    unnamed,
                    serde_json::json!([]),
                    "{looks}: controls without a name"
                );
                let faint = window.run(include_str!("contrast.js")).await;
                assert_eq!(faint, serde_json::json!([]), "{looks}: hard to read");
                window.picture(&looks).await;
            }
        }
    }
    stage.window.close().await;
}

/// Controls that a screen reader could not announce.
const UNNAMED: &str = "return [...document.querySelectorAll('button, input, select, a, canvas')] \
    .filter((one) => one.checkVisibility()) \
    .filter((one) => !(one.getAttribute('aria-label') || one.labels?.[0]?.textContent.trim() \
        || one.textContent.trim())) \
    .map((one) => one.outerHTML)";
