//! Who plays in a scenario: the cluster as its line describes it.

use std::time::Duration;

use holdfast_core::cluster::{ClusterSettings, Contract, Percent};

use crate::act::span;
use crate::world::{NAMES, Setup, cluster};

/// Reads what the cluster line says.
pub(super) fn setup(words: &[String]) -> Result<Setup, String> {
    let mut settings = cluster();
    let mut words = words.iter();
    let names: Vec<&str> = words.next().map_or("", String::as_str).split(' ').collect();
    if !NAMES.starts_with(&names) {
        return Err(format!(
            "the cluster has {NAMES:?} or the first of them, not {names:?}"
        ));
    }
    let (mut proxies, mut seed, mut everysec) = (1, 1, false);
    for word in words {
        match word.split_once(' ') {
            Some(("proxies", count)) => proxies = number(count)?,
            Some(("seed", value)) => seed = number(value)?,
            Some(("store", "everysec")) => everysec = true,
            Some((key, value)) => set(&mut settings, key, value)?,
            None => return Err(format!("{word} says nothing; such as: contract off")),
        }
    }
    Ok(Setup {
        seed,
        mutation: None,
        proxies,
        endpoints: names.len(),
        cluster: settings,
        everysec,
    })
}

fn set(settings: &mut ClusterSettings, key: &str, value: &str) -> Result<(), String> {
    let time = || span(value).ok_or_else(|| format!("{key}: {value} is no time"));
    match key {
        "contract" => {
            settings.handoff.contract = match value {
                "required" => Contract::Required,
                "auto" => Contract::Auto,
                "off" => Contract::Off,
                _ => return Err("contract is required, auto or off".into()),
            }
        }
        "probes" if value == "off" => settings.probes.clear(),
        "rate" => settings.drain.rate = number(value.trim_end_matches("/s"))?,
        "drain" => settings.drain.deadline = Duration::from_millis(time()?),
        "idle" => {
            if let Some(affinity) = &mut settings.affinity {
                affinity.idle = Some(Duration::from_millis(time()?));
            }
        }
        "fail-open" => {
            let share = number(value.trim_end_matches('%'))?;
            settings.fail_open = Percent::new(share).map_err(|error| error.to_string())?;
        }
        "message" => settings.handoff.message_buffer = number::<usize>(value)? << 10,
        "unaccepted" => settings.handoff.unaccepted_buffer = number::<usize>(value)? << 10,
        "sessions" => settings.sessions_max = Some(number(value)?),
        _ => return Err(format!("{key} is not known of a cluster")),
    }
    Ok(())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}
