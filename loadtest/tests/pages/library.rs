//! The client library `/holdfast.js`, promise by promise, against a real lab in real Chromium. What
//! happens in the page is in `library.js` beside this file; what kills processes is here.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::Stage;
use crate::support::process::signal;

#[tokio::test]
async fn the_library_loses_nothing_when_backends_and_the_proxy_die() {
    let stage = set("library-deaths").await;
    let owners = scene(&stage, "goLive()").await;
    let owner = owners[0].as_str().expect("an endpoint").to_owned();
    seen(&stage).await.iter().for_each(nothing_lost);

    let backend = format!("/backends/{}", owner.as_bytes()[0] - b'a');
    signal(pid(&stage, &backend), Signal::KILL);
    restarted(&stage, &backend).await;
    for seen in seen(&stage).await {
        assert_eq!(
            seen["reconnects"], 0,
            "a backend's death is not seen: {seen}"
        );
        nothing_lost(&seen);
    }

    signal(pid(&stage, "/proxy"), Signal::KILL);
    scene(&stage, "order(5)").await;
    restarted(&stage, "/proxy").await;
    for seen in seen(&stage).await {
        assert!(
            seen["reconnects"].as_u64() >= Some(1),
            "the proxy's is: {seen}"
        );
        nothing_lost(&seen);
        assert_eq!(seen["refused"], json!([]), "orders without a line: {seen}");
        assert_eq!(seen["answered"], 5, "each has an answer of its own: {seen}");
        assert_eq!(seen["orders"], 5, "each is executed once: {seen}");
    }
    stage.window.leave().await;
}

#[tokio::test]
async fn the_library_has_commands_executed_once() {
    let stage = set("library-commands").await;
    let said = scene(&stage, "lostAnswers()").await;
    let right = json!({ "ok": true, "orders": 5, "numbers": [1, 2, 3, 4, 5], "reconnects": 3,
        "gaps": 0 });
    assert_eq!(said, right, "answers lost with their WebSocket");

    let said = scene(&stage, "lostResponses()").await;
    let right = json!({ "placed": "open", "amended": "0.5", "cancelled": "cancelled",
        "orders": 1, "tries": 3, "keys": 1,
        "refused": "would_take_liquidity", "refusedTries": 1 });
    assert_eq!(said, right, "answers lost with their request");

    let refused = scene(&stage, "everyCommand()").await;
    assert_eq!(refused, json!([]), "commands that one transport lacks");

    let said = scene(&stage, "changeTransport()").await;
    let right = json!({ "refused": [], "gaps": 0, "reconnects": 0, "orders": 3, "missed": [] });
    assert_eq!(
        said, right,
        "the transport changes while a command is on its way"
    );
    stage.window.leave().await;
}

#[tokio::test]
async fn the_library_finds_what_is_missing_or_wrong() {
    let stage = set("library-gaps").await;
    let said = scene(&stage, "gap()").await;
    let right = json!({ "gaps": 1, "reconnects": 1, "resets": 0, "missed": [], "agrees": true,
        "repairs": 0 });
    assert_eq!(said, right, "a message that never came is fetched");

    let said = scene(&stage, "checksum()").await;
    let right = json!({ "repairs": 1, "gaps": 0, "reconnects": 0, "agrees": true });
    assert_eq!(said, right, "a book that went wrong is read anew");

    let said = scene(&stage, "coalesced()").await;
    assert_eq!(said, json!({ "repairs": 0, "gaps": 0, "agrees": true }));

    let said = scene(&stage, "channels()").await;
    assert_eq!(
        said,
        json!([["trade"], ["trade"], 0]),
        "only what was asked for"
    );

    let said = scene(&stage, "reset()").await;
    let said = said.as_array().expect("one for each transport");
    let kinds = |at: usize| (said[at]["first"].clone(), said[at]["gaps"].clone());
    let broken = json!(["reset", "reset", "snapshot"]);
    assert_eq!(
        kinds(0),
        (broken, json!(0)),
        "none goes on behind a lone reset"
    );
    assert_eq!(kinds(1), (json!(["reset", "snapshot"]), json!(0)));
    stage.window.leave().await;
}

#[tokio::test]
async fn the_library_comes_back_as_told_and_not_when_it_is_over() {
    let stage = set("library-returns").await;
    let said = scene(&stage, "advice()").await;
    let right = json!({ "stayed": 1, "disobeyed": "websocket", "gaps": 0, "reconnects": 1,
        "missed": [] });
    assert_eq!(said, right, "advice is followed, and taken back");

    let waits = scene(&stage, "backoff()").await;
    let right = json!([250, 500, 1000, 2000, 4000, 8000, 10000, 10000, 10000, 10000]);
    assert_eq!(waits, right, "half of 500 ms, doubled up to half of 20 s");

    let said = scene(&stage, "wake()").await;
    let right = json!({ "gaps": 0, "missed": [] });
    assert_eq!(
        said, right,
        "a dead line is found, a network that is back is used at once"
    );

    let said = scene(&stage, "ending()").await;
    let right = json!([["ended", "closed"], ["ended", "closed"]]);
    assert_eq!(said, right, "the session is over");

    let said = scene(&stage, "refusals()").await;
    let each = json!(["unknown", "ended", "signed out"]);
    assert_eq!(said, json!([each, each, "not yours"]));

    let token = scene(&stage, "signIn('without-cookies')").await;
    stage.window.forget_cookies().await;
    let token = token.as_str().expect("a token");
    let said = scene(&stage, &format!("tokens({token:?})")).await;
    assert_eq!(said, json!([["websocket", 1, true], ["sse", 1, true]]));
    stage.window.leave().await;
}

/// A lab, and the library's scenes in a page of it, signed in.
async fn set(test: &str) -> Stage {
    let stage = Stage::set(test).await;
    stage.window.visit(&stage.page("/")).await;
    stage.window.run(include_str!("library.js")).await;
    scene(&stage, &format!("signIn({test:?})")).await;
    stage
}

/// Plays a scene to its end; gives back what was seen.
async fn scene(stage: &Stage, call: &str) -> Value {
    stage.window.run(&format!("return scenes.{call}")).await
}

/// What both connections have seen by now, WebSocket first.
async fn seen(stage: &Stage) -> Vec<Value> {
    let seen = scene(stage, "goOn()").await;
    seen.as_array().expect("one for each transport").clone()
}

fn nothing_lost(seen: &Value) {
    for count in ["gaps", "resets", "repairs"] {
        assert_eq!(seen[count], 0, "{count}: {seen}");
    }
    assert_eq!(seen["missed"], json!([]), "{seen}");
    assert_eq!(seen["agrees"], true, "{seen}");
}

fn pid(stage: &Stage, member: &str) -> u32 {
    let record = stage.lab.record().expect("lab.json");
    let pid = record.pointer(member).and_then(|one| one["pid"].as_u64());
    u32::try_from(pid.expect("pid")).expect("pid")
}

async fn restarted(stage: &Stage, member: &str) {
    let what = format!("{member} is started again");
    let again = |record: &Value| (record.pointer(member)?["restarts"].as_u64()? > 0).then_some(());
    stage.lab.record_with(&what, again).await;
}
