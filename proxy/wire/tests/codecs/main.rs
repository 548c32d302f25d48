//! The codecs against the tables of their RFCs, and against any input cut anywhere.

mod cookie;
mod proxy_header;
mod sse;
mod websocket;
