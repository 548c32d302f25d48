//! Memory for reading, one piece for each thread.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Reads once, at most `max` bytes, into memory that all relays of this thread share: an idle one
/// owns none. `Ok(false)` is the end of the stream.
pub(super) fn with_scratch<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    max: usize,
    take: impl FnOnce(&[u8]),
) -> Poll<io::Result<bool>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut read = ReadBuf::new(&mut scratch[..max.clamp(1, SCRATCH_BYTES)]);
        ready!(Pin::new(stream).poll_read(cx, &mut read))?;
        let bytes = read.filled();
        if bytes.is_empty() {
            return Poll::Ready(Ok(false));
        }
        take(bytes);
        Poll::Ready(Ok(true))
    })
}

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// What is read at once.
const SCRATCH_BYTES: usize = 32 << 10;
