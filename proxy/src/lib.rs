//! the edge itself: a thin shell on Pingora
