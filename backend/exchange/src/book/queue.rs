//! Queues of slots, in blocks of one cache line each.
//!
//! A list threaded through the orders would touch the neighbours of every order that comes or goes,
//! and in a large book those are in no cache. A block knows a dozen orders of one queue in their
//! order of time and which of them are still there; coming and going touches one block.

use crate::orders::{NONE, Slot};

/// Where an order stands: a block and a position in it.
pub(crate) type Place = u32;

/// Orders in a block.
const ROOM: u16 = 12;
const POSITION_BITS: u32 = 4;

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Block {
    slots: [Slot; ROOM as usize],
    next: u32,
    previous: u32,
    /// Whose queue it belongs to.
    level: u32,
    /// Positions that were given out.
    used: u16,
    /// Positions whose order is still there, a bit for each.
    there: u16,
}

/// The ends of one queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    head: u32,
    tail: u32,
}

impl Queue {
    pub(super) const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };
}

/// The blocks of all queues of a book.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    blocks: Vec<Block>,
    /// First unused block; unused ones are threaded by `next`.
    free: u32,
}

impl Blocks {
    pub(super) fn new() -> Self {
        Self {
            blocks: Vec::new(),
            free: NONE,
        }
    }

    /// The level whose queue a place is in.
    pub(super) fn level(&self, place: Place) -> u32 {
        self.blocks[(place >> POSITION_BITS) as usize].level
    }

    /// Who is first in line.
    pub(super) fn first(&self, queue: Queue) -> Option<Slot> {
        let block = self.blocks.get(queue.head as usize)?;
        Some(block.slots[block.there.trailing_zeros() as usize])
    }

    /// Who is in line, first to last.
    pub(super) fn iter(&self, queue: Queue) -> impl Iterator<Item = Slot> + '_ {
        let some = |block: u32| (block != NONE).then_some(block);
        let blocks = std::iter::successors(some(queue.head), move |block| {
            some(self.blocks[*block as usize].next)
        });
        blocks.flat_map(|block| {
            let block = &self.blocks[block as usize];
            (0..ROOM)
                .filter(|position| block.there & (1 << position) != 0)
                .map(|position| block.slots[usize::from(position)])
        })
    }

    /// Puts an order behind the others.
    pub(super) fn push(&mut self, queue: &mut Queue, level: u32, slot: Slot) -> Place {
        let full = queue.tail == NONE || self.blocks[queue.tail as usize].used == ROOM;
        if full {
            self.add_block(queue, level);
        }
        let block = &mut self.blocks[queue.tail as usize];
        let position = block.used;
        block.slots[usize::from(position)] = slot;
        block.there |= 1 << position;
        block.used += 1;
        queue.tail << POSITION_BITS | u32::from(position)
    }

    /// Takes an order out of the line.
    pub(super) fn remove(&mut self, queue: &mut Queue, place: Place) {
        let number = place >> POSITION_BITS;
        let block = &mut self.blocks[number as usize];
        block.there &= !(1 << (place & ((1 << POSITION_BITS) - 1)));
        if block.there == 0 {
            self.remove_block(queue, number);
        }
    }

    fn add_block(&mut self, queue: &mut Queue, level: u32) {
        let block = Block {
            slots: [NONE; ROOM as usize],
            next: NONE,
            previous: queue.tail,
            level,
            used: 0,
            there: 0,
        };
        let number = if self.free == NONE {
            self.blocks.push(block);
            (self.blocks.len() - 1) as u32
        } else {
            let number = self.free;
            self.free = self.blocks[number as usize].next;
            self.blocks[number as usize] = block;
            number
        };
        if queue.tail == NONE {
            queue.head = number;
        } else {
            self.blocks[queue.tail as usize].next = number;
        }
        queue.tail = number;
    }

    fn remove_block(&mut self, queue: &mut Queue, number: u32) {
        let Block { next, previous, .. } = self.blocks[number as usize];
        if previous == NONE {
            queue.head = next;
        } else {
            self.blocks[previous as usize].next = next;
        }
        if next == NONE {
            queue.tail = previous;
        } else {
            self.blocks[next as usize].previous = previous;
        }
        self.blocks[number as usize].next = self.free;
        self.free = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_keeps_its_order_whoever_leaves() {
        let mut blocks = Blocks::new();
        let mut queue = Queue::EMPTY;
        let mut model: Vec<(Slot, Place)> = Vec::new();
        for slot in 0..1_000 {
            model.push((slot, blocks.push(&mut queue, 7, slot)));
            // leave here and there: first, last and in between
            for leaves in [slot * 7 % 5 == 0, slot % 3 == 0] {
                if leaves && !model.is_empty() {
                    let at = slot as usize * 31 % model.len();
                    let (_, place) = model.remove(at);
                    assert_eq!(blocks.level(place), 7);
                    blocks.remove(&mut queue, place);
                }
                assert_eq!(blocks.first(queue), model.first().map(|(slot, _)| *slot));
            }
        }
        let line: Vec<Slot> = blocks.iter(queue).collect();
        let expected: Vec<Slot> = model.iter().map(|(slot, _)| *slot).collect();
        assert_eq!(line, expected);
        assert!(line.len() > 100, "most have stayed");
        for (_, place) in model {
            blocks.remove(&mut queue, place);
        }
        assert_eq!(blocks.first(queue), None);
    }

    #[test]
    fn a_block_is_one_cache_line() {
        assert_eq!(size_of::<Block>(), 64);
    }
}
