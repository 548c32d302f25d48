use std::time::Duration;

use holdfast_wire::cookie::{Attributes, CookieError, SameSite, SetCookie, pairs, values, without};
use proptest::prelude::*;

#[test]
fn a_cookie_is_found_whatever_stands_around_it() {
    let cases: [(&str, &[&str]); 14] = [
        ("holdfast=v1", &["v1"]),
        ("a=b; holdfast=v1; c=d", &["v1"]),
        ("a=b;holdfast=v1;c=d", &["v1"]),
        (" ;; \tholdfast = v1 \t; ", &["v1"]),
        ("holdfast=\"v1\"", &["v1"]),
        ("holdfast=\"v1", &["\"v1"]),
        ("holdfast=\"", &["\""]),
        ("holdfast=", &[""]),
        ("holdfast=a=b=", &["a=b="]),
        ("holdfast=1; holdfast=2", &["1", "2"]),
        ("holdfast", &[]),
        ("HOLDFAST=v1", &[]),
        ("xholdfast=v1; holdfastx=v1", &[]),
        ("", &[]),
    ];
    for (field, expected) in cases {
        let found: Vec<_> = values([field.as_bytes()], "holdfast").collect();
        let expected: Vec<_> = expected.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(found, expected, "{field:?}");
    }
}

#[test]
fn a_cookie_is_found_in_every_field() {
    let fields: [&[u8]; 3] = [b"a=1", b"holdfast=x", b"b=2; holdfast=y"];
    assert_eq!(values(fields, "holdfast").collect::<Vec<_>>(), [b"x", b"y"]);
}

#[test]
fn a_removed_cookie_leaves_the_others_as_they_were() {
    let cases: [(&str, Option<&str>); 10] = [
        ("holdfast=1", None),
        (" holdfast=1 ; ", None),
        ("holdfast=1; holdfast=2", None),
        ("a=1; holdfast=x; b=2", Some("a=1; b=2")),
        ("holdfast=x;a=\"1, 2\"", Some("a=\"1, 2\"")),
        ("a=1;  holdfast=x", Some("a=1")),
        ("holdfast=x;a=1;b=2;\tc=3 ;;", Some("a=1;b=2;\tc=3 ")),
        ("nameless; holdfast=x", Some("nameless")),
        ("a=1;b=2; holdfast", Some("a=1;b=2; holdfast")),
        ("", Some("")),
    ];
    for (field, left) in cases {
        let seen = without(field.as_bytes(), "holdfast");
        assert_eq!(seen.as_deref(), left.map(str::as_bytes), "{field:?}");
    }
}

#[test]
fn a_cookie_is_written_with_all_its_attributes() {
    let attributes = Attributes {
        path: Some("/play".into()),
        domain: Some("example.com".into()),
        max_age: Some(Duration::from_millis(86_400_999)),
        same_site: Some(SameSite::None),
        secure: true,
        http_only: true,
        partitioned: true,
    };
    let cookie = SetCookie::new("holdfast", &attributes).expect("a fair cookie");
    let scope = "; Path=/play; Domain=example.com; SameSite=None; Secure; HttpOnly; Partitioned";
    assert_eq!(
        cookie.with_value_until("v1.abc", 784_111_777).as_deref(),
        Ok(&*format!(
            "holdfast=v1.abc{scope}; Max-Age=86400; Expires=Sun, 06 Nov 1994 08:49:37 GMT"
        ))
    );
    assert_eq!(
        cookie.removal(),
        format!("holdfast={scope}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    );
    let plain = SetCookie::new("a", &Attributes::default()).expect("a fair cookie");
    assert_eq!(plain.with_value("").as_deref(), Ok("a="));
}

#[test]
fn dates_are_those_of_the_calendar() {
    let cookie = SetCookie::new("a", &Attributes::default()).expect("a fair cookie");
    let cases = [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
        (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ];
    for (seconds, date) in cases {
        let text = cookie.with_value_until("", seconds).expect("a fair value");
        assert_eq!(text, format!("a=; Expires={date}"));
    }
}

#[test]
fn prefixed_names_keep_their_promise() {
    let host = Attributes {
        path: Some("/".into()),
        secure: true,
        ..Attributes::default()
    };
    for name in ["__Host-holdfast", "__host-holdfast", "__Secure-holdfast"] {
        assert!(SetCookie::new(name, &host).is_ok(), "{name}");
    }
    let broken = [
        Attributes {
            secure: false,
            ..host.clone()
        },
        Attributes {
            path: None,
            ..host.clone()
        },
        Attributes {
            path: Some("/play".into()),
            ..host.clone()
        },
        Attributes {
            domain: Some("example.com".into()),
            ..host.clone()
        },
    ];
    for attributes in &broken {
        for name in ["__Host-a", "__HOST-a"] {
            assert_eq!(
                SetCookie::new(name, attributes),
                Err(CookieError::HostPrefix)
            );
        }
    }
    let plain = Attributes::default();
    assert_eq!(
        SetCookie::new("__secure-a", &plain),
        Err(CookieError::SecurePrefix)
    );
    assert!(SetCookie::new("__Hosta", &plain).is_ok());
}

#[test]
fn what_a_browser_would_drop_is_refused() {
    let plain = Attributes::default();
    let same_site = Some(SameSite::None);
    let path = |path: &str| Attributes {
        path: Some(path.into()),
        ..Attributes::default()
    };
    let domain = |domain: &str| Attributes {
        domain: Some(domain.into()),
        ..Attributes::default()
    };
    let cases = [
        ("", plain.clone(), CookieError::Name),
        ("a b", plain.clone(), CookieError::Name),
        ("a;b", plain.clone(), CookieError::Name),
        ("ä", plain.clone(), CookieError::Name),
        (
            "a",
            Attributes {
                same_site,
                ..plain.clone()
            },
            CookieError::SameSiteNoneNeedsSecure,
        ),
        (
            "a",
            Attributes {
                partitioned: true,
                ..plain.clone()
            },
            CookieError::PartitionedNeedsSecure,
        ),
        ("a", path("play"), CookieError::Path),
        ("a", path("/a;b"), CookieError::Path),
        ("a", path("/a\r\nSet-Cookie: b=c"), CookieError::Path),
        (
            "a",
            path(&format!("/{}", "x".repeat(1_024))),
            CookieError::Path,
        ),
        ("a", domain(""), CookieError::Domain),
        ("a", domain("a..b"), CookieError::Domain),
        ("a", domain("-a.b"), CookieError::Domain),
        ("a", domain("a b"), CookieError::Domain),
    ];
    for (name, attributes, error) in cases {
        assert_eq!(
            SetCookie::new(name, &attributes),
            Err(error),
            "{name:?} {attributes:?}"
        );
    }
    let cookie = SetCookie::new("a", &plain).expect("a fair cookie");
    for value in ["a b", "a,b", "a;b", "a\"b", "a\\b", "ä", "a\n"] {
        assert_eq!(
            cookie.with_value(value),
            Err(CookieError::Value),
            "{value:?}"
        );
    }
    assert!(cookie.with_value(&"x".repeat(4_095)).is_ok());
    assert_eq!(
        cookie.with_value(&"x".repeat(4_096)),
        Err(CookieError::TooLong)
    );
}

proptest! {
    #[test]
    fn what_is_set_is_found_again(
        name in "[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,20}",
        value in "[!#-+--:<-\\[\\]-~]{0,40}",
    ) {
        let name = format!("x{name}");
        let cookie = SetCookie::new(&name, &Attributes::default()).expect("a fair name");
        let text = cookie.with_value(&value).expect("a fair value");
        let first = pairs(text.as_bytes()).next();
        prop_assert_eq!(first, Some((name.as_bytes(), value.as_bytes())));
    }
}
