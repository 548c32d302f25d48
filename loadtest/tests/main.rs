//! Real processes over real sockets. Everything here is a stranger to the proxy and the backend:
//! it starts their binaries and talks to them as any client would.

mod bench;
mod conformance;
mod edge;
mod lab;
mod opaque;
mod pages;
mod profiles;
mod rooms;
mod sticky;
mod support;
mod two_proxies;
