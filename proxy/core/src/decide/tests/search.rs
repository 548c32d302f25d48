//! Where connections go that have lost their endpoint, or are to leave it.

use super::*;

/// Where a search leads, and whom it names.
fn lead(stage: &Stage, search: &mut Search) -> Option<(String, Vec<String>, bool)> {
    let next = next(
        &stage.snapshot(),
        &name(),
        AffinityKey::from_bits(5),
        search,
    )?;
    let named = next.moved_from.iter().map(ToString::to_string).collect();
    Some((next.endpoint.id.to_string(), named, next.back))
}

#[test]
fn after_a_crash_the_same_endpoint_is_dialled_once_more() {
    let stage = Stage::new(Contract::Required);
    let mut search = Search::lost(id("a"));
    assert_eq!(lead(&stage, &mut search), Some(("a".into(), vec![], false)));
    search.dial_failed(&id("a"));
    let (second, named, _) = lead(&stage, &mut search).expect("another");
    assert!(second != "a" && named == ["a"]);
    search.refused(&id(&second));
    let (third, named, _) = lead(&stage, &mut search).expect("the last");
    assert!(third != "a" && third != second);
    assert_eq!(
        named,
        ["a"],
        "one that answered is still admitted, so it is not named"
    );
    search.refused(&id(&third));
    assert_eq!(lead(&stage, &mut search), None);
    search.again();
    let (_, named, _) = lead(&stage, &mut search).expect("all are asked again");
    assert!(named.is_empty() || named == ["a"]);
}

#[test]
fn a_planned_move_leaves_and_comes_back_only_if_nobody_takes_it() {
    let stage = Stage::new(Contract::Required).with("a", drain);
    let mut search = Search::leaving(id("a"));
    let (first, named, back) = lead(&stage, &mut search).expect("another");
    assert!(first != "a" && named == ["a"] && !back);
    for endpoint in ["b", "c"] {
        search.refused(&id(endpoint));
    }
    assert_eq!(lead(&stage, &mut search), Some(("a".into(), vec![], true)));
    search.refused(&id("a"));
    assert_eq!(lead(&stage, &mut search), None);
}

#[test]
fn an_owner_is_followed_even_if_it_drains_three_hops_far() {
    let stage = Stage::new(Contract::Required).with("b", drain);
    let mut search = Search::lost(id("a"));
    assert!(search.redirected(&id("a"), id("b"), &[]));
    assert_eq!(lead(&stage, &mut search), Some(("b".into(), vec![], false)));
    assert!(search.redirected(&id("b"), id("c"), &[]));
    assert!(search.redirected(&id("c"), id("a"), &[]));
    assert!(!search.redirected(&id("a"), id("b"), &[]));
}

#[test]
fn an_owner_that_cannot_be_dialled_is_named() {
    for stage in [
        Stage::new(Contract::Required).with("c", down),
        Stage::new(Contract::Required).with("c", |e| e.admin = Admin::Maint),
    ] {
        let mut search = Search::lost(id("b"));
        assert!(search.redirected(&id("b"), id("c"), &[]));
        let (target, named, _) = lead(&stage, &mut search).expect("another");
        assert_eq!((target.as_str(), named), ("a", vec!["c".to_owned()]));
    }
    let stage = Stage::new(Contract::Required);
    let mut search = Search::lost(id("b"));
    assert!(search.redirected(&id("b"), id("unknown"), &[]));
    let (_, named, _) = lead(&stage, &mut search).expect("another");
    assert_eq!(named, ["unknown"]);
}

#[test]
fn an_owner_that_holds_on_to_the_session_is_dialled_even_if_probes_say_that_it_is_down() {
    let stage = Stage::new(Contract::Required).with("c", down);
    let mut search = Search::lost(id("b"));
    assert!(search.redirected(&id("b"), id("c"), &[id("c")]));
    assert_eq!(lead(&stage, &mut search), Some(("c".into(), vec![], false)));
    search.dial_failed(&id("c"));
    let (_, named, _) = lead(&stage, &mut search).expect("another");
    assert_eq!(named, ["c"], "it could not be dialled");
    let maint = Stage::new(Contract::Required).with("c", |e| e.admin = Admin::Maint);
    let mut search = Search::lost(id("b"));
    assert!(search.redirected(&id("b"), id("c"), &[id("c")]));
    let (target, ..) = lead(&maint, &mut search).expect("another");
    assert_eq!(target, "a", "in maintenance it serves nobody");
}

#[test]
fn one_that_served_badly_is_asked_before_a_connection_is_given_up() {
    let ejected = |e: &mut Endpoint| e.health = Health::Ejected;
    let stage = Stage::new(Contract::Required).with("b", ejected);
    let stage = stage.with("a", down).with("c", down);
    let mut search = Search::lost(id("a"));
    let last = Some(("b".into(), vec!["a".to_owned()], false));
    assert_eq!(lead(&stage, &mut search), last);
    search.dial_failed(&id("b"));
    assert_eq!(lead(&stage, &mut search), None, "once a round");
    let mut search = Search::lost(id("a"));
    let fit = stage.with("c", |e| e.health = Health::Up);
    let (target, ..) = lead(&fit, &mut search).expect("somebody");
    assert_eq!(target, "c", "whoever is fit goes first");
}

#[test]
fn where_all_leave_each_is_asked_whether_it_has_the_session() {
    let contract = Contract::Required;
    let all = ["a", "b", "c"];
    let stage = Stage::new(contract);
    let stage = all.iter().fold(stage, |stage, id| stage.with(id, drain));
    let mut search = Search::lost(id("a"));
    let mut asked = Vec::new();
    while let Some((next, named, _)) = lead(&stage, &mut search) {
        assert!(
            !named.contains(&next),
            "{next} is asked, and named {named:?}"
        );
        search.refused(&id(&next));
        asked.push(next);
    }
    asked.sort();
    assert_eq!(asked, all);
}

#[test]
fn all_connections_of_a_key_move_to_the_same_place() {
    let stage = Stage::new(Contract::Required).with("a", drain);
    let request = stage.forward(&of("a")).endpoint.id.to_string();
    let (moved, ..) = lead(&stage, &mut Search::leaving(id("a"))).expect("another");
    assert_eq!(request, moved);
}

#[test]
fn an_owner_that_does_not_take_its_session_is_named_until_another_has_asked_it() {
    let stage = Stage::new(Contract::Required);
    let mut search = Search::lost(id("a"));
    search.refused(&id("a"));
    let (other, named, _) = lead(&stage, &mut search).expect("another");
    assert!(named.is_empty(), "it was not said to own the session");
    assert!(search.redirected(&id(&other), id("a"), &[]));
    assert_eq!(lead(&stage, &mut search), Some(("a".into(), vec![], false)));
    search.refused(&id("a"));
    let (third, named, _) = lead(&stage, &mut search).expect("the third");
    assert_eq!((third != "a", named), (true, vec!["a".to_owned()]));
    search.refused(&id(&third));
    search.again();
    assert_eq!(lead(&stage, &mut search), Some(("a".into(), vec![], false)));
    search.refused(&id("a"));
    let (_, named, _) = lead(&stage, &mut search).expect("another");
    assert_eq!(named, ["a"], "in every round");
}
