//! A client comes back to its endpoint, and a claim that is worth nothing costs nobody anything.

use crate::support::endpoint::Endpoint;
use crate::support::proxy::{Proxy, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_its_cookie_stays_at_one_endpoint() {
    let (a, b) = (Endpoint::start("a").await, Endpoint::start("b").await);
    let proxy = Proxy::start(&[&a, &b]).await;
    let mut client = proxy.client().await;
    let first = client.get("/", "").await;
    let cookie = first.cookie().expect("a cookie for a new client");
    for _ in 0..200 {
        let answer = client.get("/", &cookie).await;
        assert_eq!(answer.text(), first.text());
        assert_eq!(answer.cookie(), None, "a fresh cookie is not sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worthless_cookie_leads_to_a_fresh_one_and_a_counted_verdict() {
    let a = Endpoint::start("a").await;
    let proxy = Proxy::start(&[&a]).await;
    let other = Proxy::start(&[&a]).await;
    let lost_key = other
        .client()
        .await
        .get("/", "")
        .await
        .cookie()
        .expect("a cookie");
    let long = format!("Cookie: holdfast={}\r\n", "A".repeat(3000));
    let forged = [
        "Cookie: holdfast=\r\n",
        "Cookie: holdfast=a\r\n",
        "Cookie: holdfast=\u{ff}\r\n",
        &long,
        &lost_key,
    ];
    for cookie in forged {
        let mut client = proxy.client().await;
        let answer = client.get("/", cookie).await;
        assert_eq!(answer.status, 200, "{cookie}");
        let fresh = answer.cookie().expect("a fresh cookie");
        assert_eq!(
            client.get("/", &fresh).await.cookie(),
            None,
            "the fresh one is good"
        );
    }
    proxy.logged(|line| line["affinity"] == "invalid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_application_sees_its_own_cookies_alone() {
    let a = Endpoint::start("a").await;
    let proxy = Proxy::start(&[&a]).await;
    let mut client = proxy.client().await;
    client
        .get("/", "Cookie: one=1; holdfast=x; two=2\r\n")
        .await;
    let head = a.head().await.to_ascii_lowercase();
    assert!(head.contains("cookie: one=1; two=2\r\n"), "{head}");
    client.get("/", "Cookie: holdfast=x\r\n").await;
    assert!(!a.head().await.to_ascii_lowercase().contains("cookie:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_without_affinity_sets_no_cookie() {
    let a = Endpoint::start("a").await;
    let setup = Setup {
        route: ", affinity: off",
        ..Setup::default()
    };
    let proxy = setup.start(&[&a]).await;
    assert_eq!(proxy.client().await.get("/", "").await.cookie(), None);
    proxy.logged(|line| line["affinity"] == "off").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cross_site_twin_comes_along() {
    let a = Endpoint::start("a").await;
    let top = "affinity: { cross_site: { cookie: holdfast-cors } }\n".to_owned();
    let proxy = Setup {
        top,
        ..Setup::default()
    }
    .start(&[&a])
    .await;
    let answer = proxy.client().await.get("/", "").await;
    let cookies = &answer.fields["set-cookie"];
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    let value = |cookie: &str| cookie.split([';', '=']).nth(1).map(str::to_owned);
    assert!(cookies[1].starts_with("holdfast-cors="), "{cookies:?}");
    assert!(cookies[1].contains("SameSite=None; Secure"), "{cookies:?}");
    let twin = format!(
        "Cookie: holdfast-cors={}\r\n",
        value(&cookies[1]).expect("a value")
    );
    assert_eq!(
        proxy.client().await.get("/", &twin).await.cookie(),
        None,
        "the twin is good alone"
    );
}
