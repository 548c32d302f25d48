//! What clients show, and what is believed of it.

use super::*;

struct Shows {
    fields: Vec<(&'static str, String)>,
    cookies: Vec<(&'static str, String)>,
}

impl Fields for Shows {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| v.as_str())
    }

    fn cookies(&self, name: &str, accept: &mut dyn FnMut(&str) -> bool) {
        let _ = self
            .cookies
            .iter()
            .filter(|(n, _)| *n == name)
            .any(|(_, v)| accept(v));
    }
}

const NOW: WallTime = WallTime::from_unix(1_000_000);
const HOUR: Duration = Duration::from_secs(3600);

fn cluster() -> ClusterName {
    ClusterName::parse("game").expect("a good name")
}

fn policy(source: Source) -> AffinityPolicy {
    AffinityPolicy {
        source,
        idle: Some(HOUR),
        absolute: Some(10 * HOUR),
        keys: Arc::new(Keyring::new(&[[1; 32]]).expect("a good key")),
        cookie: CookieSettings::new("holdfast"),
    }
}

fn claim(issued_ago: Duration, seen_ago: Duration) -> Claim {
    Claim {
        key: AffinityKey::from_bits(5),
        endpoint: EndpointId::parse("a").expect("a good id"),
        issued: WallTime::from_unix(NOW.unix() - issued_ago.as_secs()),
        seen: WallTime::from_unix(NOW.unix() - seen_ago.as_secs()),
    }
}

fn sealed(policy: &AffinityPolicy, claim: &Claim) -> String {
    policy.keys.seal(&cluster(), claim, [0; 12])
}

fn read(policy: &AffinityPolicy, cookies: &[(&'static str, String)]) -> Shown {
    let shows = Shows {
        fields: vec![],
        cookies: cookies.to_vec(),
    };
    policy.read(&cluster(), "", None, &shows, NOW)
}

#[test]
fn a_cookie_is_judged_by_both_its_ages() {
    let policy = policy(Source::Cookie);
    let minute = Duration::from_secs(60);
    for (issued, seen, good) in [
        (minute, minute, true),
        (9 * HOUR, HOUR, true),
        (9 * HOUR, HOUR + minute, false),
        (10 * HOUR + minute, minute, false),
    ] {
        let claim = claim(issued, seen);
        let text = sealed(&policy, &claim);
        let expected = if good {
            Shown::Claim(claim)
        } else {
            Shown::Expired(claim)
        };
        assert_eq!(read(&policy, &[("holdfast", text)]), expected);
    }
}

#[test]
fn a_strangers_cookie_does_not_hide_ours() {
    let policy = policy(Source::Cookie);
    let ours = claim(HOUR, HOUR / 2);
    let text = sealed(&policy, &ours);
    let stranger = ("holdfast", "stranger".to_owned());
    assert_eq!(read(&policy, &[]), Shown::Nothing);
    assert_eq!(
        read(&policy, std::slice::from_ref(&stranger)),
        Shown::Garbage
    );
    let both = [stranger.clone(), ("holdfast", text.clone())];
    assert_eq!(read(&policy, &both), Shown::Claim(ours));
    let mut many = vec![stranger; 8];
    many.push(("holdfast", text));
    assert_eq!(
        read(&policy, &many),
        Shown::Garbage,
        "only so many are tried"
    );
}

#[test]
fn the_cross_site_cookie_counts_too() {
    let mut policy = policy(Source::Cookie);
    policy.cookie.cross_site = Some("holdfast-cross".to_owned());
    let ours = claim(HOUR, HOUR / 2);
    let cookies = [("holdfast-cross", sealed(&policy, &ours))];
    assert_eq!(read(&policy, &cookies), Shown::Claim(ours));
}

#[test]
fn a_value_places_its_client_alone() {
    let key = AffinityKey::of_value(&cluster(), "u7");
    let other = ClusterName::parse("shop").expect("a good name");
    assert_ne!(
        key,
        AffinityKey::of_value(&other, "u7"),
        "clusters do not share places"
    );
    let shows = Shows {
        fields: vec![("x-user", "u7".to_owned())],
        cookies: vec![],
    };
    let by_field = policy(Source::Field("x-user".to_owned()));
    assert_eq!(
        by_field.read(&cluster(), "", None, &shows, NOW),
        Shown::Value(key)
    );
    let by_query = policy(Source::Query("user".to_owned()));
    assert_eq!(
        by_query.read(&cluster(), "a=1&user=u7&user=x", None, &shows, NOW),
        Shown::Value(key)
    );
    let by_subject = policy(Source::Subject);
    assert_eq!(
        by_subject.read(&cluster(), "", Some("u7"), &shows, NOW),
        Shown::Value(key)
    );
    assert_eq!(
        by_subject.read(&cluster(), "", None, &shows, NOW),
        Shown::Nothing
    );
    for query in ["", "user", "user=", "xuser=u7"] {
        assert_eq!(
            by_query.read(&cluster(), query, None, &shows, NOW),
            Shown::Nothing,
            "{query}"
        );
    }
}

#[test]
fn the_applications_cookie_places_who_has_none_of_ours() {
    let policy = policy(Source::AppCookie("JSESSIONID".to_owned()));
    let key = AffinityKey::of_value(&cluster(), "s1");
    let app = ("JSESSIONID", "s1".to_owned());
    let ours = claim(HOUR, HOUR / 2);
    assert_eq!(read(&policy, std::slice::from_ref(&app)), Shown::Value(key));
    let with_ours = [app.clone(), ("holdfast", sealed(&policy, &ours))];
    assert_eq!(read(&policy, &with_ours), Shown::Claim(ours));
    let with_garbage = [app, ("holdfast", "garbage".to_owned())];
    assert_eq!(read(&policy, &with_garbage), Shown::Value(key));
    assert_eq!(read(&policy, &[]), Shown::Nothing);
}

#[test]
fn a_cookie_is_sent_again_after_a_tenth_of_its_idle_age() {
    let policy = policy(Source::Cookie);
    let early = claim(HOUR, Duration::from_secs(360));
    assert_eq!(policy.renewed(&early, NOW), None);
    let due = claim(HOUR, Duration::from_secs(361));
    let renewed = policy.renewed(&due, NOW).expect("due");
    assert_eq!((renewed.seen, renewed.issued), (NOW, due.issued));
    let absolute = AffinityPolicy {
        idle: None,
        ..policy
    };
    assert_eq!(
        absolute.renewed(&due, NOW),
        None,
        "an absolute age does not slide"
    );
}

#[test]
fn the_browser_keeps_the_cookie_for_the_shorter_age() {
    let policy = policy(Source::Cookie);
    assert_eq!(
        policy.max_age(&claim(Duration::ZERO, Duration::ZERO), NOW),
        Some(3600)
    );
    let old = claim(10 * HOUR - Duration::from_secs(90), Duration::ZERO);
    assert_eq!(policy.max_age(&old, NOW), Some(90));
    let endless = AffinityPolicy {
        idle: None,
        absolute: None,
        ..policy
    };
    assert_eq!(endless.max_age(&old, NOW), None);
}
