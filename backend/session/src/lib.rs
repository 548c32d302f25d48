//! ownership, acceptance, output log, journal: pure
