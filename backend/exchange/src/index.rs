//! Order number to slot: an open-addressing table with a fixed hash, so that its behaviour, and
//! the time it takes, is the same in every process.

/// The table keeps slots alone; the key of a slot is asked from the caller.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    slots: Vec<u32>,
    count: usize,
    shift: u32,
}

const EMPTY: u32 = u32::MAX;
const BITS_MIN: u32 = 6;

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            slots: vec![EMPTY; 1 << BITS_MIN],
            count: 0,
            shift: 64 - BITS_MIN,
        }
    }

    pub(crate) fn find(&self, key: u64, key_of: impl Fn(u32) -> u64) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = self.home(key);
        loop {
            let slot = self.slots[at];
            if slot == EMPTY {
                return None;
            }
            if key_of(slot) == key {
                return Some(slot);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a key that is not there yet.
    pub(crate) fn insert(&mut self, key: u64, slot: u32, key_of: impl Fn(u32) -> u64) {
        if (self.count + 1) * 2 > self.slots.len() {
            self.grow(&key_of);
        }
        self.count += 1;
        self.put(key, slot);
    }

    /// Takes a key out and closes the gap, so that no tombstones pile up.
    pub(crate) fn remove(&mut self, key: u64, key_of: impl Fn(u32) -> u64) {
        let mask = self.slots.len() - 1;
        let mut gap = self.home(key);
        while self.slots[gap] == EMPTY || key_of(self.slots[gap]) != key {
            if self.slots[gap] == EMPTY {
                return;
            }
            gap = (gap + 1) & mask;
        }
        self.count -= 1;
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot == EMPTY {
                self.slots[gap] = EMPTY;
                return;
            }
            let home = self.home(key_of(slot));
            // `slot` may fill the gap if its way from home passes over it
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                self.slots[gap] = slot;
                gap = at;
            }
        }
    }

    fn home(&self, key: u64) -> usize {
        // Fibonacci hashing: counters spread evenly
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    fn put(&mut self, key: u64, slot: u32) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(key);
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self, key_of: impl Fn(u32) -> u64) {
        let larger = vec![EMPTY; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, larger);
        self.shift -= 1;
        for slot in old.into_iter().filter(|slot| *slot != EMPTY) {
            self.put(key_of(slot), slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out() {
        let mut index = Index::new();
        let key_of = |slot: u32| u64::from(slot) * 7 + 1;
        for slot in 0..1_000 {
            index.insert(key_of(slot), slot, key_of);
        }
        for slot in (0..1_000).step_by(3) {
            index.remove(key_of(slot), key_of);
        }
        index.remove(3, key_of);
        for slot in 0..1_000 {
            let expected = (slot % 3 != 0).then_some(slot);
            assert_eq!(index.find(key_of(slot), key_of), expected);
        }
    }
}
