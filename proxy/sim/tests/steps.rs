//! Every step of a move and of a handoff is struck in turn: whoever comes to it is killed, put to
//! sleep, or cut off from clients or store. Nobody may notice.

use holdfast_sim::scenario::{Script, trial};

/// How a session comes to move.
const CAUSES: [(&str, &str); 3] = [
    ("planned", "12s admin drain a"),
    ("after a crash", "12s kill a for 1s"),
    (
        "to an asker that dies",
        "12s when asked at a: kill b for 9s\n12s proxy 1 cannot reach a for 1s",
    ),
];

const STEPS: [&str; 13] = [
    "dialled",
    "asking",
    "asked",
    "stopping",
    "stopped",
    "released",
    "claiming",
    "claimed",
    "taken",
    "appending",
    "appended",
    "snapshotting",
    "claiming-back",
];

const DEEDS: [&str; 8] = [
    "kill it for 300ms",
    "kill it for 5s",
    "pause it for 3s",
    "cut it",
    "store of it gone for 2s",
    "store gone for 300ms",
    "store mute for 300ms",
    "store late 1500ms for 300ms",
];

/// Two clients of two proxies and a stream go on over the strike; the other endpoints stand by.
fn script(cause: &str, step: &str, deed: &str) -> Script {
    let text = format!(
        "# Aim: a strike at one step is not noticed.
cluster: a b c, proxies 2, rate 50/s
1s session at a
1s ann opens websocket at 1
1s bob opens websocket at 2
1s cid opens sse at 1
11s ann says 2 commands
11s bob says 2 commands
11.99s when {step}: {deed}
{cause}
12.001s ann says 2 commands
12.05s bob says 1 pongs
12.3s ann says 1 commands
20s all is well
34s ann says 1 commands
34s bob says 1 commands
38s end
"
    );
    Script::read(&text).expect("a scenario")
}

#[test]
fn whoever_is_struck_at_whatever_step_nobody_notices() {
    let mut met = Vec::new();
    let mut failed = Vec::new();
    for (name, cause) in CAUSES {
        for step in STEPS {
            for deed in DEEDS {
                match trial(&script(cause, step, deed)) {
                    Ok(0) => met.push(step),
                    Ok(_) => {}
                    Err(error) => failed.push(format!("{name}, when {step}: {deed}: {error}")),
                }
            }
        }
    }
    assert!(failed.is_empty(), "\n{}\n", failed.join("\n"));
    let never: Vec<_> = STEPS.iter().filter(|step| !met.contains(step)).collect();
    assert!(never.is_empty(), "nobody ever came to {never:?}");
}
