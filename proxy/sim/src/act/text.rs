//! Acts as lines of text.

use std::fmt;
use std::str::FromStr;

use holdfast_core::Admin;

use super::{Act, Deed, Step, Who, Words};
use crate::store::{Loss, Mood};
use crate::world::NAMES;

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait => f.write_str("wait"),
            Self::Session(at) => write!(f, "session at {}", NAMES[*at]),
            Self::Opens {
                client,
                sse,
                proxy,
                session,
            } => {
                let kind = if *sse { "sse" } else { "websocket" };
                write!(f, "{client} opens {kind} at {}", proxy + 1)?;
                session.map_or(Ok(()), |session| write!(f, " to session {session}"))
            }
            Self::Asks(client) => write!(f, "{client} asks"),
            Self::Forges(client) => write!(f, "{client} forges a cookie"),
            Self::Says {
                client,
                count,
                words,
            } => {
                let words = match words {
                    Words::Commands => "commands",
                    Words::Pongs => "pongs",
                    Words::Novels => "novels",
                };
                write!(f, "{client} says {count} {words}")
            }
            Self::Stalls(client) => write!(f, "{client} stalls"),
            Self::Reads(client) => write!(f, "{client} reads"),
            Self::Closes(client) => write!(f, "{client} closes"),
            Self::Admin {
                proxy,
                admin,
                endpoint,
            } => {
                let (proxy, endpoint) = (proxy + 1, NAMES[*endpoint]);
                write!(f, "admin of {proxy} {} {endpoint}", admin.as_str())
            }
            Self::Badly { endpoint, times } => {
                write!(f, "{} serves badly {times}", NAMES[*endpoint])
            }
            Self::Deed(deed, span) => timed(f, deed, *span),
            Self::When {
                step,
                at,
                deed,
                span,
            } => {
                write!(f, "when {}", step.name())?;
                at.map_or(Ok(()), |at| write!(f, " at {}", NAMES[at]))?;
                f.write_str(": ")?;
                timed(f, deed, *span)
            }
            Self::Well => f.write_str("all is well"),
            Self::End => f.write_str("end"),
        }
    }
}

fn timed(f: &mut fmt::Formatter<'_>, deed: &Deed, span: Option<u64>) -> fmt::Result {
    write!(f, "{deed}")?;
    span.map_or(Ok(()), |span| write!(f, " for {span}ms"))
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(who) => write!(f, "kill {who}"),
            Self::Restart(who) => write!(f, "restart {who}"),
            Self::Pause(who) => write!(f, "pause {who}"),
            Self::Wake(who) => write!(f, "wake {who}"),
            Self::Ail(who) => write!(f, "probes of {who} fail"),
            Self::Recover(who) => write!(f, "probes of {who} pass"),
            Self::Part(proxy, who) => write!(f, "proxy {} cannot reach {who}", proxy + 1),
            Self::Join(proxy, who) => write!(f, "proxy {} reaches {who}", proxy + 1),
            Self::Hide(proxy, who) => write!(f, "proxy {} misses {who}", proxy + 1),
            Self::Show(proxy, who) => write!(f, "proxy {} sees {who}", proxy + 1),
            Self::Cut(who) => write!(f, "cut {who}"),
            Self::CutOne => f.write_str("cut one"),
            Self::Store(mood) => write!(f, "store {mood}"),
            Self::StoreOf(who, mood) => write!(f, "store of {who} {mood}"),
            Self::Loses(loss) => write!(f, "store loses {loss}"),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named(index) => NAMES[*index],
            Self::It => "it",
        })
    }
}

impl FromStr for Act {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("when ") {
            return when(rest);
        }
        let words: Vec<&str> = text.split(' ').collect();
        Ok(match words[..] {
            ["" | "wait"] => Self::Wait,
            ["session", "at", at] => Self::Session(endpoint(at)?),
            ["all", "is", "well"] => Self::Well,
            ["end"] => Self::End,
            ["admin", wish, at] => admin("1", wish, at)?,
            ["admin", "of", proxy, wish, at] => admin(proxy, wish, at)?,
            [at, "serves", "badly", times] => Self::Badly {
                endpoint: endpoint(at)?,
                times: number(times)?,
            },
            [client, "opens", kind, ref rest @ ..] => opens(client, kind, rest)?,
            [client, "asks"] => Self::Asks(client.into()),
            [client, "forges", "a", "cookie"] => Self::Forges(client.into()),
            [client, "says", count, what] => Self::Says {
                client: client.into(),
                count: number(count)?,
                words: match what {
                    "commands" => Words::Commands,
                    "pongs" => Words::Pongs,
                    "novels" => Words::Novels,
                    _ => return Err(format!("commands, pongs or novels, not {what}")),
                },
            },
            [client, "stalls"] => Self::Stalls(client.into()),
            [client, "reads"] => Self::Reads(client.into()),
            [client, "closes"] => Self::Closes(client.into()),
            [ref words @ .., "for", span] => Self::Deed(deed(words)?, Some(milliseconds(span)?)),
            ref words => Self::Deed(deed(words)?, None),
        })
    }
}

fn when(text: &str) -> Result<Act, String> {
    let known = || {
        let names: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
        format!("when <step> [at <endpoint>]: <deed>; steps are {names:?}")
    };
    let (step, deed) = text.split_once(": ").ok_or_else(known)?;
    let (name, at) = step
        .split_once(" at ")
        .map_or((step, None), |(s, at)| (s, Some(at)));
    let mut steps = Step::ALL.into_iter();
    let step = steps.find(|step| step.name() == name).ok_or_else(known)?;
    match deed.parse()? {
        Act::Deed(deed, span) => Ok(Act::When {
            step,
            at: at.map(endpoint).transpose()?,
            deed,
            span,
        }),
        other => Err(format!("{other} cannot be done at a step")),
    }
}

fn opens(client: &str, kind: &str, rest: &[&str]) -> Result<Act, String> {
    let (at, session) = match *rest {
        [] => ("1", None),
        ["at", at] => (at, None),
        ["at", at, "to", "session", session] => (at, Some(number(session)?)),
        _ => {
            return Err(format!(
                "{client} opens {kind} [at <proxy> [to session <number>]]"
            ));
        }
    };
    Ok(Act::Opens {
        client: client.into(),
        sse: match kind {
            "sse" => true,
            "websocket" => false,
            _ => return Err(format!("websocket or sse, not {kind}")),
        },
        proxy: proxy(at)?,
        session,
    })
}

fn admin(of: &str, wish: &str, at: &str) -> Result<Act, String> {
    let admin = match wish {
        "drain" => Admin::Drain,
        "maint" => Admin::Maint,
        "ready" => Admin::Ready,
        _ => return Err(format!("{wish} is not drain, maint or ready")),
    };
    Ok(Act::Admin {
        proxy: proxy(of)?,
        admin,
        endpoint: endpoint(at)?,
    })
}

fn deed(words: &[&str]) -> Result<Deed, String> {
    Ok(match *words {
        ["kill", it] => Deed::Kill(who(it)?),
        ["restart", it] => Deed::Restart(who(it)?),
        ["pause", it] => Deed::Pause(who(it)?),
        ["wake", it] => Deed::Wake(who(it)?),
        ["probes", "of", it, "fail"] => Deed::Ail(who(it)?),
        ["probes", "of", it, "pass"] => Deed::Recover(who(it)?),
        ["proxy", of, "cannot", "reach", it] => Deed::Part(proxy(of)?, who(it)?),
        ["proxy", of, "reaches", it] => Deed::Join(proxy(of)?, who(it)?),
        ["proxy", of, "misses", it] => Deed::Hide(proxy(of)?, who(it)?),
        ["proxy", of, "sees", it] => Deed::Show(proxy(of)?, who(it)?),
        ["cut", "one"] => Deed::CutOne,
        ["cut", it] => Deed::Cut(who(it)?),
        ["store", "loses", "everything"] => Deed::Loses(Loss::Everything),
        ["store", "loses", "its", "tail"] => Deed::Loses(Loss::Tail),
        ["store", "of", it, ref mood @ ..] => Deed::StoreOf(who(it)?, store(mood)?),
        ["store", ref mood @ ..] => Deed::Store(store(mood)?),
        _ => return Err(format!("nobody knows how to: {}", words.join(" "))),
    })
}

fn store(words: &[&str]) -> Result<Mood, String> {
    Ok(match *words {
        ["well"] => Mood::Well,
        ["gone"] => Mood::Gone,
        ["mute"] => Mood::Mute,
        ["late", most] => Mood::Late(milliseconds(most)?),
        ["slow"] => Mood::Slow(400),
        ["slow", most] => Mood::Slow(milliseconds(most)?),
        _ => return Err("a store is well, gone, mute, slow or late 500ms".into()),
    })
}

fn who(text: &str) -> Result<Who, String> {
    match text {
        "it" => Ok(Who::It),
        name => endpoint(name).map(Who::Named),
    }
}

fn endpoint(name: &str) -> Result<usize, String> {
    let found = NAMES.iter().position(|known| *known == name);
    found.ok_or_else(|| format!("{name} is no endpoint"))
}

/// Proxies are counted from 1.
fn proxy(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if number > 0 => Ok(number - 1),
        _ => Err(format!("{text} is no proxy; they are 1 and 2")),
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn milliseconds(text: &str) -> Result<u64, String> {
    span(text).ok_or_else(|| format!("{text} is no time; such as 2.5s or 30ms"))
}

/// `2s`, `2.5s` or `30ms`.
pub(crate) fn span(text: &str) -> Option<u64> {
    if let Some(text) = text.strip_suffix("ms") {
        return text.parse().ok();
    }
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Some((seconds * 1_000.0).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_as_what_it_was() {
        let lines = [
            "wait",
            "session at b",
            "w0 opens websocket at 2 to session 1",
            "ann opens sse at 1",
            "ann says 3 commands",
            "ann says 1 novels",
            "ann stalls",
            "admin of 2 drain c",
            "kill a for 812ms",
            "proxy 2 misses b",
            "store of a slow 300ms for 2000ms",
            "store late 900ms for 50ms",
            "store loses its tail",
            "when stopping at a: kill it for 300ms",
            "when claimed: store mute for 20ms",
            "all is well",
        ];
        for line in lines {
            let act: Act = line.parse().expect(line);
            assert_eq!(act.to_string(), line);
        }
        assert!("when born: kill it".parse::<Act>().is_err());
        assert!("kill nobody".parse::<Act>().is_err());
    }
}
