//! Endpoints that stand in a file, YAML or JSON: `[{ id: a, address: 10.0.0.7:9001, weight: 1 }]`.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use holdfast_core::EndpointId;
use holdfast_core::control::Member;
use serde::Deserialize;
use tokio::fs;

use super::Finder;

/// Looks at the file's time and size every `interval`, and reads it when they changed. Looking
/// costs less than being told, and works on every file system that a config map is mounted from.
pub(super) async fn watch(finder: &Finder, path: &Path, interval: Duration) {
    let mut known = None;
    loop {
        let stamp = stamp(path).await;
        let changed = match &stamp {
            Ok(stamp) => known != Some(*stamp),
            // Said each time: somebody should know for as long as it lasts.
            Err(_) => true,
        };
        if changed {
            let found = match &stamp {
                Ok(_) => read(path).await,
                Err(error) => Err(format!("{}: {error}", path.display())),
            };
            if !finder.tell(found).await {
                return;
            }
            known = stamp.ok();
        }
        tokio::time::sleep(interval).await;
    }
}

async fn stamp(path: &Path) -> io::Result<(SystemTime, u64)> {
    let meta = fs::metadata(path).await?;
    Ok((meta.modified()?, meta.len()))
}

async fn read(path: &Path) -> Result<Vec<Member>, String> {
    let placed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let size = fs::metadata(path)
        .await
        .map_err(|error| placed(&error))?
        .len();
    if size > FILE_MAX {
        return Err(placed(&format!(
            "{size} bytes; at most {FILE_MAX} are read"
        )));
    }
    let text = fs::read_to_string(path)
        .await
        .map_err(|error| placed(&error))?;
    parse(&text).map_err(|error| placed(&error))
}

fn parse(text: &str) -> Result<Vec<Member>, String> {
    // A file that is being written may be empty for a moment; a list of nobody is written [].
    if text.trim().is_empty() {
        return Err("an empty file; write [] for no endpoints".to_owned());
    }
    let entries: Vec<Entry> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut members: Vec<Member> = Vec::with_capacity(entries.len());
    for Entry {
        id,
        address,
        weight,
    } in entries
    {
        let member = Member {
            id: EndpointId::parse(&id).map_err(|error| format!("id {id:?}: {error}"))?,
            address: address
                .parse::<SocketAddr>()
                .map_err(|_| format!("address {address:?}; write IP:port, as 10.0.0.7:9001"))?,
            weight,
        };
        if members.iter().any(|earlier| earlier.id == member.id) {
            return Err(format!("id {id} is there twice; an id names one endpoint"));
        }
        members.push(member);
    }
    Ok(members)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    address: String,
    #[serde(default = "one")]
    weight: u32,
}

fn one() -> u32 {
    1
}

const FILE_MAX: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_lists_are_read() {
        for text in [
            "- { id: a, address: 10.0.0.7:9001 }\n- id: b\n  address: '[::1]:9002'\n  weight: 3\n",
            r#"[
                {"id":"a","address":"10.0.0.7:9001"},
                {"id":"b","address":"[::1]:9002","weight":3}
            ]"#,
        ] {
            let found = parse(text).expect("a good list");
            let found: Vec<_> = found
                .iter()
                .map(|m| (m.id.as_str(), m.address.to_string(), m.weight))
                .collect();
            let wanted = [
                ("a", "10.0.0.7:9001".into(), 1),
                ("b", "[::1]:9002".into(), 3),
            ];
            assert_eq!(found, wanted);
        }
        assert_eq!(parse("[]"), Ok(vec![]), "an empty list empties the cluster");
    }

    #[test]
    fn a_list_that_cannot_be_meant_says_what_would_be_right() {
        for (text, right) in [
            ("[{ id: a, address: localhost }]", "IP:port"),
            ("[{ id: 'a b', address: 1.1.1.1:1 }]", "letters"),
            (
                "[{ id: a, address: 1.1.1.1:1 }, { id: a, address: 1.1.1.1:2 }]",
                "twice",
            ),
            ("[{ id: a, address: 1.1.1.1:1, wieght: 2 }]", "wieght"),
            ("", ""),
            ("endpoints: []", ""),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(right), "{error}");
        }
    }
}
