//! The scripts: what is checked and changed in one step, inside the server.

use redis::{Script, ScriptInvocation};

use super::keys::SessionKeys;
use crate::store::Fence;

/// Every script, hashed once; a server that does not know one is given it.
pub(super) struct Scripts {
    pub(super) create: Script,
    pub(super) claim: Script,
    pub(super) append: Script,
    pub(super) snapshot: Script,
    pub(super) mark: Script,
    pub(super) end: Script,
    pub(super) past: Script,
    pub(super) outbox: Script,
    pub(super) clear: Script,
    pub(super) forget: Script,
}

macro_rules! guarded {
    ($file:literal) => {
        Script::new(concat!(include_str!("lua/guard.lua"), include_str!($file)))
    };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            create: guarded!("lua/create.lua"),
            claim: guarded!("lua/claim.lua"),
            append: guarded!("lua/append.lua"),
            snapshot: guarded!("lua/snapshot.lua"),
            mark: guarded!("lua/mark.lua"),
            end: guarded!("lua/end.lua"),
            past: guarded!("lua/past.lua"),
            outbox: guarded!("lua/outbox.lua"),
            clear: guarded!("lua/clear.lua"),
            forget: Script::new(include_str!("lua/forget.lua")),
        }
    }
}

/// A call of `script` on the keys of one session.
pub(super) fn call<'a>(script: &'a Script, keys: &SessionKeys) -> ScriptInvocation<'a> {
    let mut call = script.prepare_invoke();
    for key in keys.all() {
        call.key(key);
    }
    call
}

/// The same, under a claim.
pub(super) fn fenced<'a>(
    script: &'a Script,
    keys: &SessionKeys,
    fence: Fence,
) -> ScriptInvocation<'a> {
    let mut call = call(script, keys);
    call.arg(fence.claim.generation);
    call.arg(fence.claim.id.to_string());
    call
}
