//! Places to dial: so many at a time to each endpoint (`handoff.dials`), first come, first served.

use std::collections::HashMap;
use std::sync::Arc;

use holdfast_core::EndpointId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of every endpoint that somebody dials or waits for.
#[derive(Debug, Default)]
pub(crate) struct Places {
    endpoints: Mutex<HashMap<(EndpointId, u32), Arc<Semaphore>>>,
}

/// One dial under way; dropping it lets the next one begin.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// Waits for a place among the `max` dials to this endpoint. Whoever stops waiting loses
    /// nothing but its turn.
    pub(crate) async fn take(&self, endpoint: &EndpointId, max: u32) -> Place {
        let places = self.of(endpoint, max);
        // Nobody closes them.
        let permit = places.acquire_owned().await.ok();
        Place { _permit: permit }
    }

    fn of(&self, endpoint: &EndpointId, max: u32) -> Arc<Semaphore> {
        let mut endpoints = self.endpoints.lock();
        if endpoints.len() > ENDPOINTS_MAX {
            endpoints.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let key = (endpoint.clone(), max);
        let places = || Arc::new(Semaphore::new(max as usize));
        Arc::clone(endpoints.entry(key).or_insert_with(places))
    }
}

/// With more of them, those that nobody dials are forgotten.
const ENDPOINTS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn whoever_came_first_dials_first_and_endpoints_do_not_wait_for_each_other() {
        let places = Places::default();
        let [a, b] = ["a", "b"].map(|name| EndpointId::parse(name).expect("a name"));
        let mut cx = Context::from_waker(Waker::noop());
        let (mut first, mut second) = (pin!(places.take(&a, 1)), pin!(places.take(&a, 1)));
        let Poll::Ready(held) = first.as_mut().poll(&mut cx) else {
            panic!("nobody else dials");
        };
        let mut third = pin!(places.take(&a, 1));
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(third.as_mut().poll(&mut cx).is_pending());
        assert!(pin!(places.take(&b, 1)).poll(&mut cx).is_ready());
        drop(held);
        assert!(third.as_mut().poll(&mut cx).is_pending(), "not its turn");
        let Poll::Ready(held) = second.as_mut().poll(&mut cx) else {
            panic!("its turn");
        };
        drop(held);
        assert!(third.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn endpoints_that_nobody_dials_are_forgotten() {
        let places = Places::default();
        let mut cx = Context::from_waker(Waker::noop());
        for number in 0..3 * ENDPOINTS_MAX {
            let endpoint = EndpointId::parse(&format!("e{number}")).expect("a name");
            assert!(pin!(places.take(&endpoint, 1)).poll(&mut cx).is_ready());
        }
        assert!(places.endpoints.lock().len() <= ENDPOINTS_MAX + 1);
    }
}
