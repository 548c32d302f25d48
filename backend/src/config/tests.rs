//! The sample loads and says every default; every invalid file fails with what it promises.

use super::*;

#[test]
fn the_sample_loads() {
    let config = Config::load(&conf("backend.yaml")).expect("conf/backend.yaml is valid");
    assert_eq!(config.listen.port(), 9001);
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
        "limits",
        "timeouts",
        "heartbeat",
        "simulator",
        "handoff",
        "shutdown",
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
