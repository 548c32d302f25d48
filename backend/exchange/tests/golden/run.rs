//! A session in which every layer of the market and every kind of order has its part. Shared with
//! the benchmark, whose build is another one.

use holdfast_exchange::{
    Command, Control, Events, Exchange, Kind, MomentumSettings, NewOrder, Price, Quantity,
    Scenario, Scheduled, SelfTrade, ShockRequest, Side, Span, SymbolId, TimeInForce,
};

/// What [`state_hash`] is in every build. Another figure means that sessions change when a pod of
/// another build revives them: raise `FORMAT`, and the version of the session's engine.
pub(crate) const GOLDEN: u64 = 0x7aeb_4932_00ca_5a21;

/// The state after ten minutes of market time, as a number.
pub(crate) fn state_hash() -> u64 {
    let mut exchange = Exchange::new(&scenario(), 2_026).expect("sound");
    let mut events = Events::new();
    for round in 0..600_u64 {
        events.clear();
        exchange.advance(round * 100, &mut events);
        for command in commands(round, exchange.last_price(SymbolId(0))) {
            // some are refused: that has to be the same in every build as well
            let _ = exchange.apply(round * 100, &command, &mut events);
        }
    }
    exchange.state_hash()
}

fn scenario() -> Scenario {
    let mut scenario = Scenario::default();
    scenario.flow.momentum = Some(MomentumSettings {
        count: 2,
        rate: 0.5,
        threshold: 6.0,
        lots: 1_000,
        position: 10_000,
    });
    let symbol = || "ACME".to_owned();
    let shock = |at, shock| Scheduled {
        at: Span::seconds(at),
        every: None,
        shock,
    };
    scenario.flow.shocks = vec![
        shock(
            60,
            ShockRequest::News {
                symbol: symbol(),
                basis_points: 150,
            },
        ),
        shock(
            200,
            ShockRequest::Thin {
                symbol: symbol(),
                basis_points: 3_000,
            },
        ),
        shock(
            201,
            ShockRequest::Sweep {
                symbol: symbol(),
                side: Side::Sell,
                quantity: "60".into(),
                over: Span::seconds(10),
            },
        ),
        shock(
            400,
            ShockRequest::Halt {
                symbol: symbol(),
                lasts: Span::seconds(20),
            },
        ),
    ];
    scenario
}

/// The user's commands of one second.
fn commands(round: u64, last: Price) -> Vec<Command> {
    let step = round as i64;
    let side = if round.is_multiple_of(2) {
        Side::Buy
    } else {
        Side::Sell
    };
    let away = |ticks: i64| last + Price(side.sign() * ticks);
    let limit = NewOrder::limit(SymbolId(0), side, away(-step % 7), Quantity(900 + step));
    let sleeping = |kind| NewOrder { kind, ..limit };
    let (trigger, price) = (away(4 + step % 5), away(6));
    let order = match round % 9 {
        0 => limit,
        1 => NewOrder {
            display: Some(Quantity(200)),
            ..limit
        },
        2 => NewOrder::market(SymbolId(0), side, Quantity(1_500)),
        3 => sleeping(Kind::Stop { trigger }),
        4 => sleeping(Kind::StopLimit { trigger, price }),
        5 => sleeping(Kind::TakeProfit { trigger: away(-5) }),
        6 => sleeping(Kind::TrailingStop { distance: Price(4) }),
        7 => NewOrder {
            time_in_force: TimeInForce::Gtd(300),
            self_trade: SelfTrade::Decrement,
            ..limit
        },
        _ => NewOrder {
            time_in_force: TimeInForce::Ioc,
            ..limit
        },
    };
    let mut commands = vec![Command::Place(order)];
    match round {
        100 => commands.push(Command::Control(Control::Speed(2_500))),
        150 => commands.push(Command::Control(Control::Pause)),
        151 => commands.push(Command::Control(Control::Step(777))),
        152 => commands.push(Command::Control(Control::Resume)),
        300 => commands.push(Command::CancelAll {
            symbol: None,
            side: None,
        }),
        _ => {}
    }
    commands
}
