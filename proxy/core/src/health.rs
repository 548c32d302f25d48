//! Is this endpoint fit to serve?
//!
//! Two judges: probes, which ask ([`probe`]), and outcomes, which tell how it served those who
//! came ([`eject`]). A probe that fails often enough makes it down, bad service takes it out
//! for a while. The share of a cluster that may be out at once for bad service is limited: if
//! everybody serves badly, the cause is somewhere else.

pub mod eject;
pub mod outcome;
pub mod probe;
pub mod record;

pub use eject::{EjectSettings, Ejection};
pub use outcome::{Kind, Service};
pub use probe::{Probe, ProbeKind, ProbeSettings, Readiness, ReadinessState};
pub use record::{Record, Streak};
