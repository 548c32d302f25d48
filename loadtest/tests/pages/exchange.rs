//! The exchange page: trading, changing the transport, coming back, losing the backend.

use super::Stage;
use super::window::Window;

#[tokio::test]
async fn a_stranger_signs_in_and_trades() {
    let stage = Stage::set("page-trade").await;
    let window = &stage.window;
    begin(&stage).await;

    place_far_from_the_market(window).await;
    window.click("#orders .cancel").await;
    window
        .text_until(
            "the order is cancelled",
            "#orders tr",
            "text.includes('cancelled')",
        )
        .await;
    window
        .until(
            "no order can be cancelled",
            "!document.querySelector('#orders .cancel:not([hidden])')",
        )
        .await;

    window.choose("#order-type", "market").await;
    window.fill("#order-quantity", "2").await;
    window.click("#buy").await;
    window
        .text_until(
            "the market order is filled",
            "#orders tr",
            "text.includes('filled')",
        )
        .await;
    window
        .until("the fill is seen", "document.querySelector('#fills tr')")
        .await;
    window
        .text_until(
            "the position is held",
            "#positions td:nth-child(2)",
            "Number(text) === 2",
        )
        .await;
    window.picture("exchange-traded").await;

    window.fill("#order-quantity", "a lot").await;
    window.click("#sell").await;
    window
        .text_until(
            "nonsense is refused in words",
            "#order-answer",
            "text.length > 20",
        )
        .await;
    stage.window.close().await;
}

#[tokio::test]
async fn every_type_of_order_is_entered_amended_in_its_row_and_cancelled() {
    let stage = Stage::set("page-orders").await;
    let window = &stage.window;
    begin(&stage).await;
    for (index, (kind, fields)) in KINDS.iter().enumerate() {
        window.choose("#order-type", kind).await;
        for (field, value) in *fields {
            window.fill(field, value).await;
        }
        window.click("#buy").await;
        let working = format!("Number(text) === {}", index + 1);
        let what = format!("a {kind} order works");
        window.text_until(&what, "#working-count", &working).await;
    }
    window.choose("#order-type", "market").await;
    window.choose("#order-by", "notional").await;
    window.fill("#order-quantity", "500").await;
    window.click("#sell").await;
    let sold = "Number(text) < 0";
    let held = "#positions td:nth-child(2)";
    window
        .text_until("a market order by money is filled", held, sold)
        .await;
    for money in ["#balance", "#equity", "#used", "#available"] {
        let amount = "/^[0-9,]+\\.[0-9]{2}$/.test(text) && text !== '0.00'";
        let what = format!("{money} is an amount");
        window.text_until(&what, money, amount).await;
    }
    for canvas in ["#chart", "#depth"] {
        let drawn = format!(
            "((canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)\
             .data.some((part) => part > 0))(document.querySelector({canvas:?}))"
        );
        window.until(&format!("{canvas} is drawn"), &drawn).await;
    }
    window.picture("exchange-orders").await;

    window.click("#orders .amend").await;
    window.fill("#orders td:nth-child(3) input", "81").await;
    window.fill("#orders td:nth-child(5) input", "0.7").await;
    window.click("#orders .amend").await;
    let amended = "text.includes('81.00') && text.includes('0 / 0.7')";
    window
        .text_until("price and quantity are changed", "#orders tr", amended)
        .await;

    window.click("#orders .amend").await;
    window.fill("#orders td:nth-child(3) input", "0").await;
    window.click("#orders .amend").await;
    let told = "text.includes('amend:')";
    window
        .text_until("what cannot be is told in words", "#journal", told)
        .await;
    window.click("#orders .cancel").await;
    window
        .text_until("it is left as it was", "#orders tr", amended)
        .await;

    window.click("#cancel-all").await;
    let none = "Number(text) === 0";
    window
        .text_until("nothing works any more", "#working-count", none)
        .await;
    stage.window.close().await;
}

/// Orders that wait far from the market, each with its fields.
const KINDS: &[(&str, &[(&str, &str)])] = &[
    ("stop", &[("#order-stop", "120")]),
    (
        "stop_limit",
        &[("#order-stop", "120"), ("#order-price", "121")],
    ),
    ("take_profit", &[("#order-stop", "80")]),
    (
        "take_profit_limit",
        &[("#order-stop", "80"), ("#order-price", "79")],
    ),
    ("trailing_stop", &[("#order-trail", "20")]),
    (
        "iceberg",
        &[("#order-price", "80"), ("#order-display", "0.1")],
    ),
    ("post_only", &[("#order-price", "80")]),
    ("limit", &[("#order-price", "80")]),
];

#[tokio::test]
async fn the_transport_changes_without_a_gap_and_a_reload_keeps_the_session() {
    let stage = Stage::set("page-transport").await;
    let window = &stage.window;
    begin(&stage).await;
    place_far_from_the_market(window).await;

    for (choice, name) in [("sse", "SSE, open"), ("websocket", "WebSocket, open")] {
        window.click(&format!("input[value={choice}]")).await;
        let open = format!("text === {name:?}");
        window
            .text_until("the other transport is open", "#c-state", &open)
            .await;
        ticks(window).await;
        assert_eq!(window.number("#c-gaps").await, 0, "{choice}");
        assert_eq!(window.number("#c-reconnects").await, 0, "{choice}");
    }
    window.click("#orders .cancel").await;
    window
        .text_until(
            "a command works on it",
            "#orders tr",
            "text.includes('cancelled')",
        )
        .await;

    let session = window.run("return location.hash").await;
    window.reload().await;
    ticks(window).await;
    assert_eq!(window.run("return location.hash").await, session);
    window
        .text_until(
            "its orders are there again",
            "#orders tr",
            "text.includes('cancelled')",
        )
        .await;
    stage.window.close().await;
}

#[tokio::test]
async fn a_session_outlives_the_backend_that_the_page_kills() {
    let stage = Stage::set("page-kill").await;
    let window = &stage.window;
    begin(&stage).await;
    place_far_from_the_market(window).await;
    let owner = window
        .text_until(
            "the endpoint is known",
            "#c-endpoint",
            "/^[abc]$/.test(text)",
        )
        .await;

    window.click("#kill").await;
    let restarted = format!("/backends/{}", owner.as_bytes()[0] - b'a');
    stage
        .lab
        .record_with("the killed backend is started again", |record| {
            let backend = record.pointer(&restarted)?;
            (backend["restarts"].as_u64()? > 0).then_some(())
        })
        .await;
    window
        .text_until(
            "it is connected again",
            "#c-state",
            "text === 'WebSocket, open'",
        )
        .await;
    ticks(window).await;
    for count in ["#c-gaps", "#c-reconnects"] {
        assert_eq!(window.number(count).await, 0, "{count}");
    }
    window.click("#orders .cancel").await;
    window
        .text_until(
            "the order was still there",
            "#orders tr",
            "text.includes('cancelled')",
        )
        .await;
    window.picture("exchange-survived").await;
    window.click("#drain").await;
    window
        .text_until(
            "the page says that the session was moved",
            "#journal",
            "/moved from [abc] to [abc]: reconnects 0, gaps 0, /.test(text)",
        )
        .await;
    stage.window.close().await;
}

#[tokio::test]
async fn a_market_is_chosen_and_its_time_is_controlled() {
    let stage = Stage::set("page-simulation").await;
    let window = &stage.window;
    sign_in(&stage).await;
    window.choose("#scenario", "volatile").await;
    window.fill("#seed", "7").await;
    window.click("#new-session").await;
    ticks(window).await;
    assert_eq!(window.text("#scenario-name").await, "volatile");
    assert_eq!(window.number("#seed-shown").await, 7);

    let state = |wanted: &str| format!("text === {wanted:?}");
    for speed in ["0.1", "50"] {
        window.choose("#speed", speed).await;
        let runs = state(&format!("running × {speed}"));
        let what = "the market has another speed";
        window.text_until(what, "#simulator-state", &runs).await;
    }
    window.click("#pause").await;
    let what = "the market stands still";
    window
        .text_until(what, "#simulator-state", &state("paused"))
        .await;
    let (what, time) = ("it steps on", window.text("#market-time").await);
    window.click("#step").await;
    window
        .text_until(what, "#market-time", &format!("text > {time:?}"))
        .await;

    window.click("#pause").await;
    let what = "it runs on as fast as before";
    window
        .text_until(what, "#simulator-state", &state("running × 50"))
        .await;

    window.choose("#speed", "1").await;
    window.click(".simulation summary").await;
    window.click("#shock-halt").await;
    let halted = "text.includes('ACME: halted')";
    window
        .text_until("trading is halted", "#journal", halted)
        .await;
    window.choose("#order-type", "market").await;
    window.click("#buy").await;
    let refused = "text.includes('(halted)')";
    window
        .text_until("nobody can trade", "#order-answer", refused)
        .await;

    window
        .click(".simulation details:nth-of-type(2) summary")
        .await;
    window.choose("#restart-scenario", "thin_book").await;
    window.click("#restart button").await;
    let anew = "text.includes('reset: restarted')";
    window
        .text_until("the market begins anew", "#journal", anew)
        .await;
    let thin = "text === 'thin book'";
    window
        .text_until("it is another one", "#scenario-name", thin)
        .await;
    ticks(window).await;
    assert_eq!(window.number("#c-gaps").await, 0);
    stage.window.close().await;
}

async fn sign_in(stage: &Stage) {
    let window = &stage.window;
    window.visit(&stage.page("/")).await;
    window.click("#sign-in").await;
    window
        .until(
            "a session can be started",
            "!document.querySelector('#new-session').disabled",
        )
        .await;
}

/// Signs in, starts a session and waits until its market moves.
pub(super) async fn begin(stage: &Stage) {
    let window = &stage.window;
    sign_in(stage).await;
    window.click("#new-session").await;
    ticks(window).await;
}

/// Waits until the connection is open, the book is there and changes, and more entries come.
async fn ticks(window: &Window) {
    window
        .until(
            "the book is shown on both sides",
            "document.querySelectorAll('#asks tr').length > 3 \
             && document.querySelectorAll('#bids tr').length > 3",
        )
        .await;
    let before = window.number("#c-entries").await;
    window
        .text_until(
            "entries come",
            "#c-entries",
            &format!("Number(text) > {before} + 20"),
        )
        .await;
    let book = window
        .run("return document.querySelector('.book').textContent")
        .await;
    let changed = format!("document.querySelector('.book').textContent !== {book}");
    window.until("the book ticks", &changed).await;
}

/// A limit order that rests: nobody sells for so little.
async fn place_far_from_the_market(window: &Window) {
    window.fill("#order-quantity", "1").await;
    let price = window
        .run(
            "const best = Number(document.querySelector('#bids td').textContent); \
             return (best * 0.97).toFixed(2)",
        )
        .await;
    window
        .fill("#order-price", price.as_str().expect("a price"))
        .await;
    window.click("#buy").await;
    window
        .until(
            "the order rests",
            "document.querySelector('#orders .cancel:not([hidden])')",
        )
        .await;
}
