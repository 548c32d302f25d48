//! the lab, load profiles and their ledger: a stranger to proxy and backend
