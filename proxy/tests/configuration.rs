//! The configurations that people read, as they are read: every example loads, every mistake in
//! `conf/invalid` is told in the words that its first line promises.
//!
//! `BLESS=1` writes what was said into the first lines, for review.

use std::fs;
use std::path::{Path, PathBuf};

use holdfast_proxy::config::Config;
use serde_json::Value;

#[test]
fn every_example_loads() {
    let mut examples: Vec<_> = fs::read_dir(root().join("conf/examples"))
        .expect("examples")
        .map(|entry| entry.expect("folder").path().join("proxy.yaml"))
        .collect();
    assert!(examples.len() >= 4, "the examples are there");
    examples.sort();
    for example in examples {
        if let Err(error) = Config::load(&example) {
            panic!("{error}");
        }
    }
}

#[test]
fn every_mistake_is_told_in_the_promised_words() {
    let folder = root().join("conf/invalid");
    let mut differences = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(&folder).expect("conf/invalid") {
        let path = entry.expect("file").path();
        let name = path
            .file_name()
            .expect("name")
            .to_string_lossy()
            .into_owned();
        if !name.ends_with(".yaml") || name.starts_with("backend-") {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&path).expect("readable");
        let said = match Config::load(&path) {
            Ok(_) => "nothing: it loads".to_owned(),
            Err(error) => error.to_string().replace(&*path.to_string_lossy(), &name),
        };
        let said = said
            .replace(&*folder.to_string_lossy(), "conf/invalid")
            .replace('\n', " | ");
        let first = text.lines().next().unwrap_or_default();
        if first == format!("# {said}") {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
            fs::write(&path, format!("# {said}\n{rest}")).expect("writable");
        }
        differences.push(format!("{name}\n  promised {first}\n  said     # {said}"));
    }
    assert!(seen >= 25, "the mistakes are there");
    assert!(differences.is_empty(), "\n{}\n", differences.join("\n"));
}

#[test]
fn every_key_stands_in_the_reference() {
    let schema = serde_json::to_value(Config::schema()).expect("schema");
    let reference = fs::read_to_string(root().join("conf/proxy.yaml")).expect("reference");
    let mut shapes = vec![&schema];
    shapes.extend(schema["$defs"].as_object().expect("definitions").values());
    let keys = shapes
        .iter()
        .filter_map(|shape| shape["properties"].as_object());
    let missing: Vec<_> = keys
        .flat_map(|keys| keys.keys())
        .filter(|key| !reference.contains(&format!("{key}:")))
        .collect();
    assert!(
        missing.is_empty(),
        "conf/proxy.yaml does not know {missing:?}"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_path_buf()
}

#[test]
fn the_guide_lists_the_keys_of_the_schema() {
    let schema = serde_json::to_value(Config::schema()).expect("schema");
    let mut rows = vec![
        "| key | default | what |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    list(&schema, &schema, "", &mut rows);
    let wanted = format!("{OPEN}\n{}\n{CLOSE}", rows.join("\n"));
    let path = root().join("docs/configuration.md");
    let guide = fs::read_to_string(&path).expect("guide");
    let start = guide.find(OPEN).expect("the mark before the keys");
    let end = guide.find(CLOSE).expect("the mark after the keys") + CLOSE.len();
    if guide[start..end] == wanted {
        return;
    }
    if std::env::var_os("BLESS").is_some() {
        let blessed = format!("{}{wanted}{}", &guide[..start], &guide[end..]);
        fs::write(&path, blessed).expect("writable");
    }
    panic!("docs/configuration.md is behind the schema; BLESS=1 brings it up to date");
}

const OPEN: &str = "<!-- keys of the proxy: made from the schema -->";
const CLOSE: &str = "<!-- end of keys of the proxy -->";

/// One row for each key below `shape`, parents before children.
fn list(schema: &Value, shape: &Value, path: &str, rows: &mut Vec<String>) {
    let Some(keys) = resolve(schema, shape)["properties"].as_object() else {
        return;
    };
    for (key, value) in keys {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let inner = resolve(schema, value);
        let what = value["description"]
            .as_str()
            .or_else(|| inner["description"].as_str())
            .unwrap_or("");
        let words = choices(inner)
            .map(|words| format!(" One of {words}."))
            .unwrap_or_default();
        let default = match &value["default"] {
            Value::Null | Value::Object(_) => String::new(),
            Value::String(text) if text.is_empty() => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        rows.push(format!(
            "| `{path}` | {default} | {}{words} |",
            what.replace('\n', " ")
        ));
        if inner["items"].is_object() {
            list(schema, &inner["items"], &format!("{path}[]"), rows);
        } else if inner["additionalProperties"].is_object() {
            list(
                schema,
                &inner["additionalProperties"],
                &format!("{path}.NAME"),
                rows,
            );
        } else {
            list(schema, inner, &path, rows);
        }
    }
}

/// The shape behind references and behind "or null".
fn resolve<'a>(schema: &'a Value, shape: &'a Value) -> &'a Value {
    if let Some(name) = shape["$ref"].as_str() {
        let name = name.trim_start_matches("#/$defs/");
        return resolve(schema, &schema["$defs"][name]);
    }
    let options = shape["anyOf"].as_array().into_iter().flatten();
    let mut options = options.filter(|option| option["type"] != "null");
    options
        .next()
        .map_or(shape, |option| resolve(schema, option))
}

fn choices(shape: &Value) -> Option<String> {
    let named = |option: &Value| option["const"].as_str().map(|word| format!("`{word}`"));
    let words: Vec<_> = shape["oneOf"]
        .as_array()?
        .iter()
        .filter_map(named)
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}
