//! Key to place: an open-addressing table with a fixed hash, so that its behaviour, and the time it
//! takes, is the same in every process.
//!
//! Keys are order numbers or prices, and neighbours in number are neighbours in time or in the
//! book: sixteen of them share a home of sixteen cells, so that a run of new orders falls into the
//! same cache lines. A cell keeps the low half of its key: nothing else is touched on the way.

/// The table keeps places; the whole key of a place is asked from the caller.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    cells: Vec<Cell>,
    count: usize,
    shift: u32,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    tag: u32,
    place: u32,
}

const EMPTY: Cell = Cell {
    tag: 0,
    place: u32::MAX,
};
const BITS_MIN: u32 = 6;
const GROUP_BITS: u32 = 4;

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            cells: vec![EMPTY; 1 << BITS_MIN],
            count: 0,
            shift: u32::BITS - (BITS_MIN - GROUP_BITS),
        }
    }

    pub(crate) fn find(&self, key: u64, key_of: impl Fn(u32) -> u64) -> Option<u32> {
        let mask = self.cells.len() - 1;
        let tag = key as u32;
        let mut at = self.home(tag);
        loop {
            let cell = self.cells[at & mask];
            if cell.place == EMPTY.place {
                return None;
            }
            if cell.tag == tag && key_of(cell.place) == key {
                return Some(cell.place);
            }
            at += 1;
        }
    }

    /// Adds a key that is not there yet.
    pub(crate) fn insert(&mut self, key: u64, place: u32) {
        if (self.count + 1) * 2 > self.cells.len() {
            self.grow();
        }
        self.count += 1;
        self.put(Cell {
            tag: key as u32,
            place,
        });
    }

    /// Takes a place out and closes the gap, so that no tombstones pile up.
    pub(crate) fn remove(&mut self, key: u64, place: u32) {
        let mask = self.cells.len() - 1;
        let mut gap = self.home(key as u32);
        while self.cells[gap & mask].place != place {
            if self.cells[gap & mask].place == EMPTY.place {
                return;
            }
            gap += 1;
        }
        self.count -= 1;
        let mut at = gap;
        loop {
            at += 1;
            let cell = self.cells[at & mask];
            if cell.place == EMPTY.place {
                self.cells[gap & mask] = EMPTY;
                return;
            }
            let home = self.home(cell.tag);
            // the cell may fill the gap if its way from home passes over it
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(gap) & mask) {
                self.cells[gap & mask] = cell;
                gap = at;
            }
        }
    }

    fn home(&self, tag: u32) -> usize {
        // Fibonacci hashing of the group: counters spread evenly
        let group = (tag >> GROUP_BITS).wrapping_mul(0x9E37_79B9) >> self.shift;
        (group << GROUP_BITS | tag & ((1 << GROUP_BITS) - 1)) as usize
    }

    fn put(&mut self, cell: Cell) {
        let mask = self.cells.len() - 1;
        let mut at = self.home(cell.tag);
        while self.cells[at & mask].place != EMPTY.place {
            at += 1;
        }
        self.cells[at & mask] = cell;
    }

    fn grow(&mut self) {
        let larger = vec![EMPTY; self.cells.len() * 2];
        let old = std::mem::replace(&mut self.cells, larger);
        self.shift -= 1;
        for cell in old.into_iter().filter(|cell| cell.place != EMPTY.place) {
            self.put(cell);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out() {
        let mut index = Index::new();
        // some share the low half of their keys
        let key_of = |place: u32| u64::from(place % 700) * 7 + 1 + (u64::from(place / 700) << 32);
        for place in 0..1_000 {
            index.insert(key_of(place), place);
        }
        for place in (0..1_000).step_by(3) {
            index.remove(key_of(place), place);
        }
        index.remove(3, 2_000);
        for place in 0..1_000 {
            let expected = (place % 3 != 0).then_some(place);
            assert_eq!(index.find(key_of(place), key_of), expected);
        }
    }
}
