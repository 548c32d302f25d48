//! A front's connections to backends: one to each for all questions, and the settings of those and
//! of legs.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tonic::transport::{Channel, Endpoint};

use super::call::Lost;

/// One connection for all questions to a backend; it is made when it is used, and again when it
/// breaks or is old: a name may stand for several backends, and for others than before.
#[derive(Default)]
pub(super) struct Channels(HashMap<String, (Channel, Instant)>);

impl Channels {
    /// The connection to `address`.
    pub(super) fn get(&mut self, address: &str, now: Instant) -> Result<Channel, Lost> {
        if let Some((channel, made)) = self.0.get(address)
            && now.saturating_duration_since(*made) < AGE_MAX
        {
            return Ok(channel.clone());
        }
        if self.0.len() >= CHANNELS_MAX {
            self.0.clear();
        }
        let channel = endpoint(address)?.connect_lazy();
        self.0.insert(address.to_owned(), (channel.clone(), now));
        Ok(channel)
    }

    /// It has failed, or others may answer at the same address; what is under way goes on.
    pub(super) fn forget(&mut self, address: &str) {
        self.0.remove(address);
    }
}

/// How a backend is reached.
pub(super) fn endpoint(address: &str) -> Result<Endpoint, Lost> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint.map_err(|error| Lost::Unreached(format!("{address}: {error}")))?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        // a backend that vanished between two questions is not found by the second one
        .keep_alive_while_idle(true))
}

/// The same for one leg: it takes no more than its client does.
pub(super) fn endpoint_of_leg(address: &str) -> Result<Endpoint, Lost> {
    Ok(endpoint(address)?
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW))
}

const CONNECT: Duration = Duration::from_millis(500);
/// Finds backends that vanished without a word.
const PING: Duration = Duration::from_secs(5);
const CHANNELS_MAX: usize = 64;
/// Then the name is looked up again.
const AGE_MAX: Duration = Duration::from_secs(30);
/// Bytes of a leg under way that its client has not taken: what HTTP/2 begins with (RFC 9113
/// section 6.9.2), since what waits there can be neither gathered nor replaced.
const WINDOW: u32 = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_made_anew_when_it_is_old_or_has_failed() {
        let mut channels = Channels::default();
        let begun = Instant::now();
        let made = |channels: &mut Channels, after: u64| {
            let now = begun + Duration::from_secs(after);
            channels.get("home:1", now).expect("an address");
            channels.0["home:1"].1.duration_since(begun).as_secs()
        };
        assert_eq!(made(&mut channels, 0), 0);
        assert_eq!(made(&mut channels, 29), 0, "the same");
        assert_eq!(made(&mut channels, 30), 30, "another");
        assert_eq!(made(&mut channels, 59), 30);
        channels.forget("home:1");
        assert_eq!(made(&mut channels, 59), 59);
        let wrong = channels.get("no address", begun);
        assert!(matches!(wrong, Err(Lost::Unreached(_))), "{wrong:?}");
    }
}
