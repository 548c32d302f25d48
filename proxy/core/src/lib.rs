//! values -> decisions: the edge's policy, pure
