//! Does what a scenario says, and writes down what is seen.

use super::cast;
use super::script::{Script, ScriptError};
use crate::Sight;
use crate::act::Act;
use crate::audit::Broken;
use crate::stage::{Failed, Stage};

/// What is seen at each line, and how many deeds never met their step.
pub(super) fn played(script: &Script) -> Result<(Vec<String>, usize), ScriptError> {
    let error = |line: usize, problem: String| ScriptError { line, problem };
    let setup = cast::setup(&script.cluster).map_err(|problem| error(1, problem))?;
    let mut stage = Stage::new(setup);
    let mut all = Vec::new();
    for (at, line) in script.lines.iter().enumerate() {
        let end = script.lines.get(at + 1).map_or(line.at, |next| next.at);
        let problem = |Broken(what)| error(line.number, what);
        stage.until(line.at).map_err(problem)?;
        let skipped = if at == 0 { stage.world.sights.len() } else { 0 };
        let act: Act = line
            .action
            .parse()
            .map_err(|what| error(line.number, what))?;
        let said = stage.act(&act).map_err(|failed| match failed {
            Failed::Senseless(what) | Failed::Broken(Broken(what)) => error(line.number, what),
        })?;
        stage.until(end).map_err(problem)?;
        let sights = stage.world.sights.drain(..).skip(skipped);
        let told = sights.filter_map(|(_, sight)| words(&sight));
        all.push(said.into_iter().chain(told).collect::<Vec<_>>().join("; "));
        stage.watch.forget();
    }
    Ok((all, stage.world.hub.in_wait()))
}

/// What a sight is to a reader. What was done is not said again.
fn words(sight: &Sight) -> Option<String> {
    match sight {
        Sight::Done(_) => None,
        Sight::Report { report, .. } => {
            let quiet = ["joined", "reloaded"];
            (!quiet.contains(&report.what.as_str())).then(|| sight.to_string())
        }
        _ => Some(sight.to_string()),
    }
}
