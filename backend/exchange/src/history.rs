//! What is remembered of the accounts' past: finished orders and fills, the latest of each.

use crate::event::{Fill, OrderReport};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) kept: usize,
    /// Finished orders, oldest first.
    pub(crate) orders: VecDeque<OrderReport>,
    /// Fills, oldest first.
    pub(crate) fills: VecDeque<Fill>,
}

impl History {
    pub(crate) fn new(kept: usize) -> Self {
        let (orders, fills) = (VecDeque::new(), VecDeque::new());
        Self {
            kept,
            orders,
            fills,
        }
    }

    pub(crate) fn order(&mut self, report: &OrderReport) {
        if self.orders.len() == self.kept {
            self.orders.pop_front();
        }
        self.orders.push_back(*report);
    }

    pub(crate) fn fill(&mut self, fill: Fill) {
        if self.fills.len() == self.kept {
            self.fills.pop_front();
        }
        self.fills.push_back(fill);
    }
}
