//! The operators' page; its files are part of the program.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem;

pub(super) async fn file(Path(name): Path<String>) -> Response {
    page(&name)
}

pub(super) fn page(name: &str) -> Response {
    match FILES.iter().find(|(file, ..)| *file == name) {
        Some((_, kind, text)) => ([(header::CONTENT_TYPE, *kind)], *text).into_response(),
        None => problem(StatusCode::NOT_FOUND, "not_found", "no such path"),
    }
}

const FILES: [(&str, &str, &str); 4] = [
    (
        "index.html",
        "text/html; charset=utf-8",
        include_str!("../../web/index.html"),
    ),
    (
        "operators.css",
        "text/css",
        include_str!("../../web/operators.css"),
    ),
    (
        "operators.js",
        "text/javascript",
        include_str!("../../web/operators.js"),
    ),
    (
        "icon.svg",
        "image/svg+xml",
        include_str!("../../web/icon.svg"),
    ),
];
