//! the whole edge in one thread, seeded, on a fake clock
