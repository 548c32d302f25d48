//! The markets a session can ask for: the files of `conf/scenarios`, built in.

use std::sync::LazyLock;

use holdfast_exchange::Scenario;
use holdfast_session::journal::Asked;
use holdfast_session::message::{Command, Problem, SessionRestart};

const FILES: [&str; 6] = [
    include_str!("../../../conf/scenarios/calm.yaml"),
    include_str!("../../../conf/scenarios/volatile.yaml"),
    include_str!("../../../conf/scenarios/flash_crash.yaml"),
    include_str!("../../../conf/scenarios/halt.yaml"),
    include_str!("../../../conf/scenarios/thin_book.yaml"),
    include_str!("../../../conf/scenarios/news_shock.yaml"),
];

static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
    // a test reads every one of them
    FILES
        .iter()
        .filter_map(|text| serde_saphyr::from_str(text).ok())
        .collect()
});

/// The scenario of this name, the calm one for none; or what there is.
pub fn named(name: Option<&str>) -> Result<Scenario, String> {
    let Some(name) = name else {
        return Ok(Scenario::default());
    };
    let found = ALL.iter().find(|scenario| scenario.name == name);
    found.cloned().ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|scenario| scenario.name.as_str()).collect();
        format!("no scenario {name:?}; there are {}", names.join(", "))
    })
}

/// All of them.
pub fn all() -> &'static [Scenario] {
    &ALL
}

/// A restart with the market it names; anything else as it is.
pub(super) fn resolved(asked: Asked) -> Asked {
    let Asked::Command(Command::SessionRestart(SessionRestart {
        scenario: Some(name),
        seed,
    })) = &asked
    else {
        return asked;
    };
    match named(Some(name)) {
        Ok(scenario) => Asked::Restart {
            scenario: Box::new(scenario),
            seed: *seed,
        },
        Err(message) => Asked::Unreadable {
            kind: asked.name().to_owned(),
            problem: Problem::new("invalid_argument", message),
        },
    }
}

#[cfg(test)]
mod tests {
    use holdfast_exchange::Exchange;

    use super::*;

    #[test]
    fn every_delivered_scenario_is_found_by_the_name_of_its_file() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/scenarios");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).expect("conf/scenarios is there") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let scenario = named(Some(&name)).expect(&name);
            Exchange::new(&scenario, 1).expect(&name);
            seen += 1;
        }
        assert_eq!(seen, ALL.len());
    }

    #[test]
    fn an_unknown_scenario_is_told_what_there_is() {
        let told = named(Some("storm")).expect_err("there is none");
        assert!(
            told.starts_with("no scenario \"storm\"; there are calm, volatile,"),
            "{told}"
        );
        assert_eq!(named(None), Ok(Scenario::default()));
    }
}
