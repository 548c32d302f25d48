//! Whom does the edge take a client for? Its address, and what its affinity goes by.

use std::time::{SystemTime, UNIX_EPOCH};

use holdfast_core::affinity::seal::Keyring;
use holdfast_core::affinity::{AffinityKey, Claim};
use holdfast_core::{ClusterName, EndpointId, WallTime};

use crate::support::endpoint::Endpoint;
use crate::support::proxy::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_header_says_who_the_client_is() {
    let a = Endpoint::start("a").await;
    let listener = ", proxy_protocol: { trusted: [127.0.0.0/8] }";
    let proxy = Setup {
        listener,
        ..Setup::default()
    }
    .start(&[&a])
    .await;
    let mut client = proxy.client().await;
    client
        .send("PROXY TCP4 203.0.113.7 10.0.0.1 1000 80\r\n")
        .await;
    assert_eq!(client.get("/", "").await.status, 200);
    let head = a.head().await.to_ascii_lowercase();
    assert!(head.contains("x-forwarded-for: 203.0.113.7\r\n"), "{head}");
    for bad in [
        "GET / HTTP/1.1\r\nHost: e\r\n\r\n",
        "PROXY TCP4 x y 1 2\r\n",
    ] {
        let mut client = proxy.client().await;
        client.send(bad).await;
        assert!(client.closed().await, "{bad}");
    }
    assert_eq!(a.served(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_header_from_others_is_not_believed() {
    let a = Endpoint::start("a").await;
    let listener = ", proxy_protocol: { trusted: [10.0.0.0/8] }";
    let proxy = Setup {
        listener,
        ..Setup::default()
    }
    .start(&[&a])
    .await;
    let mut client = proxy.client().await;
    client
        .send("PROXY TCP4 203.0.113.7 10.0.0.1 1000 80\r\nGET / HTTP/1.1\r\nHost: e\r\n\r\n")
        .await;
    let _ = client.answer().await;
    assert_eq!(a.served(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_known_by_its_header_its_query_or_the_application_s_cookie() {
    let endpoints = [
        Endpoint::start("a").await,
        Endpoint::start("b").await,
        Endpoint::start("c").await,
    ];
    let [a, b, c] = &endpoints;
    for by in ["header: X-Client", "query: client", "cookie: sid"] {
        let cluster = format!("balance: rendezvous\naffinity: {{ by: {{ {by} }} }}");
        let proxy = Setup {
            cluster,
            ..Setup::default()
        }
        .start(&[a, b, c])
        .await;
        let mut homes = std::collections::BTreeSet::new();
        for name in 0..30 {
            let path = if by.starts_with('q') {
                format!("/?x=1&client={name}")
            } else {
                "/".to_owned()
            };
            let fields = match by {
                "header: X-Client" => format!("X-Client: {name}\r\n"),
                "cookie: sid" => format!("Cookie: a=b; sid={name}\r\n"),
                _ => String::new(),
            };
            let home = proxy.client().await.get(&path, &fields).await;
            // the application's cookie places a client that has none of ours yet
            assert_eq!(home.cookie().is_some(), by == "cookie: sid", "{by}");
            for _ in 0..3 {
                let again = proxy.client().await.get(&path, &fields).await;
                assert_eq!(again.text(), home.text(), "{by} {name}");
            }
            homes.insert(home.text());
        }
        assert_eq!(homes.len(), 3, "{by}: clients are spread");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_older_than_its_idle_age_leads_to_a_fresh_one_and_is_counted() {
    let a = Endpoint::start("a").await;
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("expired-key");
    std::fs::write(&file, "07".repeat(32)).expect("written");
    let top = format!(
        "affinity: {{ idle: 1h, keys: [{{ file: {} }}] }}\n",
        file.display()
    );
    let proxy = Setup {
        top,
        ..Setup::default()
    }
    .start(&[&a])
    .await;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    for (age, fresh, verdict) in [(60, false, "valid"), (3700, true, "expired")] {
        let seen = WallTime::from_unix(now - age);
        let claim = Claim {
            key: AffinityKey::from_bits(7),
            endpoint: EndpointId::parse("a").expect("an id"),
            issued: seen,
            seen,
        };
        let keys = Keyring::new(&[[7; 32]]).expect("a key");
        let sealed = keys.seal(
            &ClusterName::parse("backend").expect("a name"),
            &claim,
            [1; 12],
        );
        let answer = proxy
            .client()
            .await
            .get("/", &format!("Cookie: holdfast={sealed}\r\n"))
            .await;
        assert_eq!(
            (answer.status, answer.cookie().is_some()),
            (200, fresh),
            "{verdict}"
        );
        proxy.logged(move |line| line["affinity"] == verdict).await;
    }
}
