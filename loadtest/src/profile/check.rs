//! Takes something out of the record, and looks whether the ledger misses it: a tool that cannot
//! see a loss proves nothing by not seeing one.

use std::rc::Rc;

use super::desk::Desk;
use super::report::SelfCheck;

/// Damages copies of the books of the first session that has something to lose.
pub(super) fn self_check(desks: &[Rc<Desk>], channels: Option<&str>) -> SelfCheck {
    let [told, _] = Desk::listeners(channels);
    let damaged = desks.iter().find_map(|desk| {
        let account = desk.told.borrow();
        let clean = desk.audit.borrow().compare(&account, &told);
        // Only a part that the log still covers can be missed there.
        let audited = clean.unaudited == 0 && clean.audited > 0;
        let damaged = account.with_one_missing().filter(|_| audited)?;
        let missing = desk.audit.borrow().compare(&damaged, &told).missing;
        let lost = damaged.judge().lost;
        Some((lost > account.findings().lost, missing > clean.missing))
    });
    let unanswered = desks.iter().find_map(|desk| {
        let commands = desk.commands.borrow();
        let damaged = commands.with_one_unanswered()?;
        Some(damaged.findings().unanswered > commands.findings().unanswered)
    });
    SelfCheck {
        by_chain: damaged.map(|(chain, _)| chain),
        by_audit: damaged.map(|(_, audit)| audit),
        by_answers: unanswered,
    }
}
