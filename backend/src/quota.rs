//! How much one user may ask for: how many streams it, and all of them, may hold open at this
//! endpoint, and how fast it may trade.

mod rates;

use std::collections::HashMap;
use std::sync::Arc;

use holdfast_proto::error::Code;
use parking_lot::Mutex;

use crate::config::Limits;
use crate::failure::Failure;
pub use rates::Rates;

/// Counts open streams. Cheap to clone.
#[derive(Clone)]
pub struct Streams {
    counted: Arc<Mutex<Counted>>,
    per_subject: usize,
    in_all: usize,
}

#[derive(Default)]
struct Counted {
    all: usize,
    by_subject: HashMap<String, usize>,
}

/// One open stream; it is counted until this is dropped.
pub struct Stream {
    counted: Arc<Mutex<Counted>>,
    subject: Option<String>,
}

impl Streams {
    /// None open, bounded as configured.
    pub fn new(limits: &Limits) -> Self {
        Self {
            counted: Arc::default(),
            per_subject: limits.streams_per_subject,
            in_all: limits.streams,
        }
    }

    /// Counts one more, if there is room. Anonymous users are not told apart, so they share the
    /// room of all.
    pub fn open(&self, subject: Option<&str>) -> Result<Stream, Failure> {
        let mut counted = self.counted.lock();
        if counted.all >= self.in_all {
            let detail = format!("this endpoint holds {} streams; try again", self.in_all);
            return Err(Failure::new(Code::Unavailable, detail));
        }
        if let Some(subject) = subject {
            let own = counted.by_subject.entry(subject.to_owned()).or_default();
            if *own >= self.per_subject {
                let detail = format!("you have {own} open streams; close one first");
                return Err(Failure::new(Code::QuotaExceeded, detail));
            }
            *own += 1;
        }
        counted.all += 1;
        Ok(Stream {
            counted: Arc::clone(&self.counted),
            subject: subject.map(str::to_owned),
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut counted = self.counted.lock();
        counted.all -= 1;
        let Some(subject) = &self.subject else {
            return;
        };
        if let Some(own) = counted.by_subject.get_mut(subject) {
            *own -= 1;
            if *own == 0 {
                counted.by_subject.remove(subject);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(per_subject: usize, in_all: usize) -> Streams {
        Streams {
            counted: Arc::default(),
            per_subject,
            in_all,
        }
    }

    #[test]
    fn a_user_may_open_another_stream_once_one_is_closed() {
        let streams = streams(1, 10);
        let first = streams.open(Some("ann")).expect("there is room");
        let refused = streams
            .open(Some("ann"))
            .map(|_| ())
            .expect_err("no room for ann");
        assert_eq!(refused.class, Code::QuotaExceeded);
        assert!(streams.open(Some("bob")).is_ok(), "bob is somebody else");
        drop(first);
        assert!(streams.open(Some("ann")).is_ok());
    }

    #[test]
    fn all_together_are_bounded_too() {
        let streams = streams(10, 2);
        let _held = (streams.open(None), streams.open(Some("ann")));
        let refused = streams.open(None).map(|_| ()).expect_err("full");
        assert_eq!(refused.class, Code::Unavailable);
        assert!(refused.retryable);
    }

    #[test]
    fn nothing_is_remembered_of_users_without_streams() {
        let streams = streams(10, 10);
        drop(streams.open(Some("ann")));
        assert!(streams.counted.lock().by_subject.is_empty());
    }
}
