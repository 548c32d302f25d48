//! bytes <-> values: WebSocket frames, event streams, cookies, PROXY header
