//! The sample loads and says every default; every invalid file fails with what it promises.

use super::*;

#[test]
fn the_sample_loads() {
    let config = Config::load(&conf("backend.yaml")).expect("conf/backend.yaml is valid");
    assert_eq!(config.listen.port(), 9001);
}

#[test]
fn a_redis_server_is_a_store_and_its_secrets_are_not_shown() {
    let text = "store: { redis: { url: 'redis://ann:hunter2@redis:6379/2', timeout: 500ms } }";
    let config = Config::parse(Path::new("backend.yaml"), text).expect("a valid file");
    let Exchanges::Here(Store::Redis(server)) = &config.exchanges else {
        panic!("no Redis: {:?}", config.exchanges)
    };
    assert_eq!(server.prefix, "holdfast");
    assert_eq!(server.timeout, Duration::from_millis(500));
    assert_eq!(server.address.to_string(), "redis://redis:6379/2");
    let shape: file::Config = serde_saphyr::from_str(text).expect("it has the shape");
    assert!(!format!("{config:?} {shape:?}").contains("hunter2"));
}

#[test]
fn a_database_is_a_ledger_and_its_secrets_are_not_shown() {
    let text = "store: { redis: { url: 'redis://redis:6379' } }
ledger: { postgres: { url: 'postgres://ann:hunter2@db/holdfast', tls: off, pool: { max: 9 } } }";
    let config = Config::parse(Path::new("backend.yaml"), text).expect("a valid file");
    let LedgerKind::Postgres(server) = &config.ledger.kind else {
        panic!("no PostgreSQL: {:?}", config.ledger)
    };
    assert_eq!(server.max, 9);
    assert_eq!(server.url.place(), "postgres db:5432/holdfast");
    let shape: file::Config = serde_saphyr::from_str(text).expect("it has the shape");
    assert!(!format!("{config:?} {shape:?}").contains("hunter2"));
}

#[test]
fn without_a_word_the_ledger_is_beside_the_store_or_there_is_none() {
    let kind = |text: &str| {
        let config = Config::parse(Path::new("there/backend.yaml"), text);
        config.expect("a valid file").ledger.kind
    };
    let beside = LedgerKind::Sqlite("there/x.ledger.sqlite".into());
    assert_eq!(kind("store: { sqlite: { file: x.sqlite } }"), beside);
    let redis = "store: { redis: { url: 'redis://redis:6379' } }";
    assert_eq!(kind(redis), LedgerKind::Unsaid);
    assert_eq!(
        kind(&format!("{redis}\nledger: {{ off: true }}")),
        LedgerKind::Off
    );
}

#[test]
fn a_front_needs_an_address_and_nothing_that_is_kept() {
    let text = "exchange: { address: 'http://exchange:9001' }";
    let config = Config::parse(Path::new("backend.yaml"), text).expect("a valid file");
    let elsewhere = Exchanges::Elsewhere("exchange:9001".into());
    assert_eq!(config.exchanges, elsewhere);
    assert_eq!(config.ledger.kind, LedgerKind::Off);
    for (address, wrong) in [
        ("exchange:9001", "exchange.address"),
        ("http://exchange", "exchange.address"),
        ("https://exchange:9001", "exchange.address"),
        ("http://exchange:9001/path", "exchange.address"),
        ("http://ann@exchange:9001", "exchange.address"),
        (
            "http://exchange:9001' }\nledger: { sqlite: { file: 'x",
            "ledger",
        ),
    ] {
        let closing = if wrong == "ledger" { "' } }" } else { "' }" };
        let text = format!("exchange: {{ address: '{address}{closing}");
        let error = Config::parse(Path::new("backend.yaml"), &text).expect_err(address);
        assert!(error.to_string().contains(wrong), "{error}");
    }
}

#[test]
fn the_file_for_kubernetes_loads_with_the_environment_of_its_deployment() {
    let file = conf("kubernetes/backend.yaml");
    let text = std::fs::read_to_string(&file).expect("file is readable");
    // the key is mounted by the deployment
    let text = text.replace("cluster_key: { file: keys/cluster }", "");
    let environment = |name: &str| {
        let value = match name {
            "HOLDFAST_ENDPOINT" => "10.0.3.7",
            "HOLDFAST_ADVERTISE" => "10.0.3.7:9000",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let config = check::config(&file, &text, environment).expect("a valid file");
    assert_eq!(config.advertise.as_deref(), Some("10.0.3.7:9000"));
    assert_eq!(config.endpoint, "10.0.3.7");
    assert_eq!(config.exchanges.store(), "redis");
    let error = check::config(&file, &text, |_| None).expect_err("0.0.0.0 needs more");
    assert!(error.to_string().contains("advertise"), "{error}");
}

#[test]
fn the_sample_names_every_key_with_its_default() {
    let text = std::fs::read_to_string(conf("backend.yaml")).expect("sample is readable");
    let written: file::Config = serde_saphyr::from_str(&text).expect("sample has the shape");
    let least = "store: { sqlite: { file: holdfast.sqlite } }\n";
    let defaults: file::Config = serde_saphyr::from_str(least).expect("the least there is");

    let written = serde_json::to_value(written).expect("shape becomes JSON");
    let defaults = serde_json::to_value(defaults).expect("shape becomes JSON");
    for key in [
        "listen",
        "ledger",
        "limits",
        "timeouts",
        "heartbeat",
        "simulator",
        "handoff",
        "shutdown",
        "features",
    ] {
        assert_eq!(written[key], defaults[key], "{key}");
    }
    assert_eq!(written["store"]["grace"], defaults["store"]["grace"]);
    let keys = defaults.as_object().expect("a map").keys();
    for key in keys {
        assert!(
            text.contains(&format!("{key}:")),
            "the sample does not name {key}"
        );
    }
}

#[test]
fn invalid_files_fail_with_the_message_they_promise() {
    let mut seen = 0;
    for entry in std::fs::read_dir(conf("invalid")).expect("conf/invalid is there") {
        let path = entry.expect("entry is readable").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with("backend-") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("file is readable");
        let promised = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let promised = promised.expect("the first line says what is wrong");
        let error = Config::load(&path).expect_err(&name).to_string();
        let told = error.split_once(&name).expect("the error names the file").1;
        assert_eq!(told, promised, "{name}");
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} invalid files");
}

fn conf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../conf")
        .join(name)
}
