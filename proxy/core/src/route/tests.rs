//! Tables of requests and the route each must find.

use super::*;

struct Nothing;

impl Fields for Nothing {
    fn field(&self, _: &str) -> Option<&str> {
        None
    }
    fn cookies(&self, _: &str, _: &mut dyn FnMut(&str) -> bool) {}
}

struct One(&'static str, &'static str);

impl Fields for One {
    fn field(&self, name: &str) -> Option<&str> {
        (name == self.0).then_some(self.1)
    }
    fn cookies(&self, _: &str, _: &mut dyn FnMut(&str) -> bool) {}
}

fn route(name: &str, matches: Match) -> Route {
    Route {
        name: RouteName::new(name),
        matches,
        cluster: ClusterName::parse("c").expect("a good name"),
        relay: None,
        affinity: true,
        identity: Identity::Off,
    }
}

fn path(text: &str) -> Match {
    Match {
        path: PathPrefix::parse(text).expect("a good path"),
        ..Match::default()
    }
}

fn table() -> Router {
    let host = |text: &str, rest: Match| Match {
        host: HostMatch::parse(text),
        ..rest
    };
    let post = Match {
        methods: vec!["POST".into(), "PUT".into()],
        ..path("/api")
    };
    let beta = FieldMatch {
        name: "x-beta".into(),
        value: FieldValue::Exact("1".into()),
    };
    Router::new(vec![
        route("root", path("/")),
        route("api", path("/api")),
        route("api-write", post),
        route(
            "api-beta",
            Match {
                fields: vec![beta],
                ..path("/api")
            },
        ),
        route("sticky", path("/sticky/")),
        route("sticky-off", path("/sticky-off/")),
        route("any-shop", host("*.shop.example", path("/"))),
        route("my-shop", host("my.shop.example", path("/"))),
    ])
    .expect("a good table")
}

#[test]
fn the_most_specific_route_wins() {
    let table = table();
    let cases = [
        ("x.example", "/", "GET", "root"),
        ("x.example", "/api", "GET", "api"),
        ("x.example", "/api/", "GET", "api"),
        ("x.example", "/apis", "GET", "root"),
        ("x.example", "/api/v1", "POST", "api-write"),
        ("x.example", "/%61pi/v1", "PUT", "api-write"),
        ("x.example", "//api/v1", "GET", "api"),
        ("x.example", "/sticky", "GET", "root"),
        ("x.example", "/sticky/x", "GET", "sticky"),
        ("x.example", "/sticky-off/x", "GET", "sticky-off"),
        ("a.shop.example", "/api", "POST", "any-shop"),
        ("a.b.SHOP.example", "/", "GET", "any-shop"),
        ("shop.example", "/", "GET", "root"),
        (".shop.example", "/", "GET", "root"),
        ("evilshop.example", "/", "GET", "root"),
        ("My.Shop.Example", "/x", "GET", "my-shop"),
        ("", "/x", "GET", "root"),
    ];
    for (host, path, method, wanted) in cases {
        let found = table
            .route(host, path, method, &Nothing)
            .expect("the root catches all");
        assert_eq!(found.name.as_str(), wanted, "{method} {host}{path}");
    }
}

#[test]
fn a_header_field_narrows_a_route() {
    let table = table();
    let name = |fields: &dyn Fields| {
        table
            .route("x", "/api", "GET", fields)
            .expect("a route")
            .name
            .to_string()
    };
    assert_eq!(name(&One("x-beta", "1")), "api-beta");
    assert_eq!(name(&One("x-beta", "0")), "api");
    assert_eq!(name(&Nothing), "api");
}

#[test]
fn a_path_with_two_readings_has_no_route() {
    for path in [
        "/api/../admin",
        "/api/%2e%2e/admin",
        "/a%2fb",
        "nothing",
        "",
    ] {
        assert!(
            table().route("x", path, "GET", &Nothing).is_none(),
            "{path}"
        );
    }
}

#[test]
fn a_table_that_hides_a_route_is_refused() {
    let twice = Router::new(vec![route("a", path("/x")), route("b", path("/x"))]);
    assert_eq!(
        twice.expect_err("b is never reached").to_string(),
        "routes a and b match the same requests; narrow or remove one"
    );
    let named = Router::new(vec![route("a", path("/x")), route("a", path("/y"))]);
    assert!(matches!(named, Err(RouteError::SameName { .. })));
}

#[test]
fn a_prefix_that_no_request_matches_is_refused() {
    for (text, right) in [("/a//b", "/a/b"), ("/%61", "/a")] {
        let error = PathPrefix::parse(text).expect_err("it would never match");
        assert!(error.to_string().contains(right), "{error}");
    }
    assert!(PathPrefix::parse("api").is_err());
}
