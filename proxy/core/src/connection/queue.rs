//! Bytes on their way out, in order.

/// A queue of bytes that is written from the front. It gives its memory back when it is empty:
/// most connections are idle most of the time.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    start: usize,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets go of the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.len(), "no more is let go than is there");
        self.start += count;
        if self.start == self.bytes.len() {
            self.start = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_CAPACITY {
                self.bytes = Vec::new();
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.consume(self.len());
    }
}

/// Memory an empty queue may keep, so that small messages do not allocate anew each time.
const KEPT_CAPACITY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_the_order_they_went_in() {
        let mut queue = Queue::default();
        let mut seen = Vec::new();
        for round in 0..100u8 {
            queue.push(&[round; 7]);
            let count = usize::from(round % 8).min(queue.len());
            seen.extend_from_slice(&queue.as_slice()[..count]);
            queue.consume(count);
        }
        seen.extend_from_slice(queue.as_slice());
        let expected: Vec<u8> = (0..100u8).flat_map(|round| [round; 7]).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn an_emptied_queue_gives_its_memory_back() {
        let mut queue = Queue::default();
        queue.push(&[0; 10_000]);
        queue.consume(10_000);
        assert!(queue.is_empty());
        assert!(queue.bytes.capacity() <= KEPT_CAPACITY);
    }
}
