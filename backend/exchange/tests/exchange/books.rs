//! Order scripts with their expected outcome: `tests/books/*.txt`.
//!
//! A line is a comment (`#`), a command, or (two spaces in front) what the exchange is expected to
//! say to the command above. `BLESS=1` writes what it does say, for review.
//!
//! ```text
//! 1 buy quantity=10 price=100.00 post_only=true     account, side, fields of an order request
//! 1 amend 7 quantity=5                              order number, fields of an amendment
//! 1 cancel 7 | cancel_all | cancel_after 3s
//! wait 30s                                          ticks pass
//! ```

use holdfast_exchange::{
    Accepted, AccountId, AmendRequest, Command, Event, Events, Exchange, FlowSettings, OrderId,
    OrderReport, OrderRequest, Refusal, Scenario, Side, Span,
};
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[test]
fn every_script_ends_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/books");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder of scripts")
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "scripts are missing");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a readable script");
        assert!(
            text.starts_with("# Aim: "),
            "{}: the first line says the aim",
            file.display()
        );
        let outcome = play(&text);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &outcome).expect("a writable script");
        } else {
            assert_eq!(outcome, text, "{}; BLESS=1 rewrites it", file.display());
        }
    }
}

/// The script with what the exchange says in place of the expectations.
fn play(text: &str) -> String {
    let mut scenario = Scenario {
        flow: FlowSettings {
            crowd: None,
            ..FlowSettings::default()
        },
        ..Scenario::default()
    };
    scenario.symbols.truncate(1);
    let mut stage = Stage {
        exchange: Exchange::with_accounts(&scenario, 0, 4).expect("a sound scenario"),
        events: Events::new(),
        tick: 0,
    };
    let mut outcome = String::new();
    for line in text.lines().filter(|line| !line.starts_with("  ")) {
        writeln!(outcome, "{line}").expect("memory");
        if !line.is_empty() && !line.starts_with('#') {
            stage.act(line, &mut outcome);
            stage.exchange.audit().expect(line);
        }
    }
    outcome
}

struct Stage {
    exchange: Exchange,
    events: Events,
    tick: u64,
}

impl Stage {
    fn act(&mut self, line: &str, outcome: &mut String) {
        self.events.clear();
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["wait", span] = words[..] {
            self.tick += Span::parse(span).expect("a span").ticks();
            self.exchange.advance(self.tick, &mut self.events);
        } else {
            let account = AccountId(words[0].parse().expect("an account"));
            let verdict = self.command(&words[1..]).and_then(|command| {
                self.exchange
                    .apply_as(account, self.tick, &command, &mut self.events)
            });
            let text = match verdict {
                Ok(Accepted::Order(report)) => format!("{} {}", report.id.0, status(&report)),
                Ok(Accepted::Cancelled(count)) => format!("{count} cancelled"),
                Ok(_) => "done".to_owned(),
                Err(refusal) => format!("refused {}: {refusal}", refusal.code()),
            };
            writeln!(outcome, "  = {text}").expect("memory");
        }
        for event in &self.events {
            if let Some(text) = self.describe(event) {
                writeln!(outcome, "  {text}").expect("memory");
            }
        }
    }

    fn command(&self, words: &[&str]) -> Result<Command, Refusal> {
        let order = |text: &str| OrderId(text.parse().expect("an order number"));
        match *words {
            ["buy" | "sell", ref fields @ ..] => {
                let mut request = fields_of(fields);
                request["symbol"] = "ACME".into();
                request["side"] = words[0].into();
                let request: OrderRequest =
                    serde_json::from_value(request).expect("fields of an order");
                self.exchange.read_order(&request)
            }
            ["amend", number, ref fields @ ..] => {
                let request: AmendRequest =
                    serde_json::from_value(fields_of(fields)).expect("fields of an amendment");
                self.exchange.read_amend(order(number), &request)
            }
            ["cancel", number] => Ok(Command::Cancel(order(number))),
            ["cancel_all"] => Ok(Command::CancelAll {
                symbol: None,
                side: None,
            }),
            ["cancel_after", "off"] => Ok(Command::CancelAfter(None)),
            ["cancel_after", span] => {
                let span = Span::parse(span).expect("a span");
                Ok(Command::CancelAfter(Some(span.ticks())))
            }
            _ => panic!("not a command: {words:?}"),
        }
    }

    fn describe(&self, event: &Event) -> Option<String> {
        let instrument = self.exchange.instruments().next().expect("one").1;
        let price = |price| instrument.price_text(price);
        let quantity = |quantity| instrument.quantity_text(quantity);
        match event {
            Event::Order(report) => {
                let execution = report.execution.as_str();
                let code = report.code.map(|code| format!(" {code}"));
                let code = code.unwrap_or_default();
                Some(format!(
                    "{} {execution}{code}: {}",
                    report.id.0,
                    status(report)
                ))
            }
            Event::Fill(fill) if !fill.maker => Some(format!(
                "trade {} @ {} by {}",
                quantity(fill.quantity),
                price(fill.price),
                fill.order.0
            )),
            Event::Book(update) => {
                let mut text = "book".to_owned();
                for level in self.events.levels(update) {
                    let side = if level.side == Side::Buy {
                        "bid"
                    } else {
                        "ask"
                    };
                    let (quantity, price) = (quantity(level.quantity), price(level.price));
                    write!(text, " {side} {quantity} @ {price} ({})", level.orders)
                        .expect("memory");
                }
                Some(text)
            }
            Event::Position(position) => {
                let view = self.exchange.view_position(position);
                Some(format!(
                    "position of {}: {} at {}, realised {}, fees {}",
                    position.account.0,
                    view.quantity,
                    view.average_price.as_deref().unwrap_or("-"),
                    view.realised_pnl,
                    view.fees
                ))
            }
            _ => None,
        }
    }
}

fn status(report: &OrderReport) -> String {
    let (filled, total) = (report.filled.0, report.quantity.0);
    format!(
        "{} {}/{}",
        report.status.as_str(),
        filled as f64 / 1e3,
        total as f64 / 1e3
    )
}

fn fields_of(words: &[&str]) -> serde_json::Value {
    let pairs = words.iter().map(|word| {
        let (key, value) = word.split_once('=').expect("key=value");
        let value = match value {
            "true" => true.into(),
            text => text.into(),
        };
        (key.to_owned(), value)
    });
    serde_json::Value::Object(pairs.collect())
}
