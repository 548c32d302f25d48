//! The style of the code base, as a test: what a reviewer would otherwise say again and again.
//!
//! It reads the sources as text and leans on rustfmt: an item ends at the first line that is
//! its own indentation followed by a closing brace.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_CODE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// Imports that would break the order of the rings: (folder, forbidden crate prefixes).
const FORBIDDEN_IMPORTS: &[(&str, &[&str])] = &[
    (
        "proxy/wire/src",
        &[
            "tokio",
            "pingora",
            "tonic",
            "serde",
            "std::net::Tcp",
            "std::time",
        ],
    ),
    (
        "proxy/core/src",
        &[
            "tokio",
            "pingora",
            "tonic",
            "serde",
            "std::net::Tcp",
            "std::time::Inst",
        ],
    ),
    (
        "backend/exchange/src",
        &[
            "tokio",
            "tonic",
            "axum",
            "std::time",
            "std::net",
            "std::collections::Hash",
        ],
    ),
    (
        "backend/session/src",
        &[
            "tokio",
            "tonic",
            "axum",
            "std::time::Inst",
            "std::time::Sys",
            "std::net::Tcp",
        ],
    ),
    (
        "loadtest/src",
        &[
            "holdfast_proxy",
            "holdfast_backend",
            "holdfast_core",
            "holdfast_session",
        ],
    ),
    (
        "backend/src",
        &["holdfast_proxy", "holdfast_core", "pingora"],
    ),
    ("proxy/src/config", &["pingora"]),
    (
        "proxy/src/control",
        &["pingora_proxy", "pingora_core::protocols"],
    ),
    (
        "proxy/sim/src",
        &[
            "tokio",
            "pingora",
            "tonic",
            "std::time::Inst",
            "std::time::Sys",
        ],
    ),
];

#[test]
fn sources_keep_the_style() {
    let mut findings = Vec::new();
    for file in files_below(&root(), &["rs"]) {
        let text = fs::read_to_string(&file).expect("source file is readable text");
        let source = Source {
            path: relative(&file),
            lines: text.lines().collect(),
        };
        source.check_lengths(&mut findings);
        source.check_words(&mut findings);
        source.check_imports(&mut findings);
        source.check_tests_do_not_sleep(&mut findings);
    }
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut findings = Vec::new();
    for file in files_below(&root(), &["md"]) {
        let text = fs::read_to_string(&file).expect("document is readable text");
        for (number, line) in text.lines().enumerate() {
            for target in local_links(line) {
                let path = file.parent().expect("a file has a folder").join(target);
                if !path.exists() {
                    findings.push(format!(
                        "{}:{}: dead link {target}",
                        relative(&file),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn scenarios_open_with_their_aim() {
    let mut findings = Vec::new();
    for file in files_below(&root().join("proxy/sim/scenarios"), &["txt"]) {
        let text = fs::read_to_string(&file).expect("scenario is readable text");
        if !text.starts_with("# Aim: ") {
            findings.push(format!("{}: must open with `# Aim: `", relative(&file)));
        }
    }
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

struct Source<'a> {
    path: String,
    lines: Vec<&'a str>,
}

impl Source<'_> {
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// The first line of the inline test module, or the end.
    fn tests_start(&self) -> usize {
        if self.is_test() {
            return 0;
        }
        let cfg = self.lines.windows(2).position(|pair| {
            pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod ")
        });
        cfg.filter(|&at| self.lines[at + 1].ends_with('{'))
            .unwrap_or(self.lines.len())
    }

    fn check_lengths(&self, findings: &mut Vec<String>) {
        for (index, line) in self.lines.iter().enumerate() {
            if line.chars().count() > COLUMNS_MAX && !line.contains("://") {
                findings.push(format!(
                    "{}:{}: beyond {COLUMNS_MAX} columns",
                    self.path,
                    index + 1
                ));
            }
        }
        let code_end = if self.is_test() {
            self.lines.len()
        } else {
            self.tests_start()
        };
        let code = self.lines[..code_end]
            .iter()
            .filter(|line| is_code(line))
            .count();
        if code > FILE_CODE_LINES_MAX {
            findings.push(format!(
                "{}: {code} code lines, at most {FILE_CODE_LINES_MAX}",
                self.path
            ));
        }
        for index in 0..code_end {
            let length = self.function_length(index);
            if length > FUNCTION_LINES_MAX {
                let at = format!("{}:{}", self.path, index + 1);
                findings.push(format!(
                    "{at}: function of {length} lines, at most {FUNCTION_LINES_MAX}"
                ));
            }
        }
    }

    /// Lines of the function that starts at `index`; 0 where none does.
    fn function_length(&self, index: usize) -> usize {
        let line = self.lines[index];
        let body = line.trim_start();
        let words = [
            "pub ",
            "pub(crate) ",
            "pub(super) ",
            "async ",
            "const ",
            "extern \"C\" ",
        ];
        let mut rest = body;
        while let Some(word) = words.iter().find(|word| rest.starts_with(**word)) {
            rest = &rest[word.len()..];
        }
        if !rest.starts_with("fn ") || body.ends_with(';') || body.ends_with('}') {
            return 0;
        }
        let closing = format!("{}}}", &line[..line.len() - body.len()]);
        let end = self.lines[index..]
            .iter()
            .position(|candidate| *candidate == closing);
        end.map_or(0, |lines| lines + 1)
    }

    fn check_words(&self, findings: &mut Vec<String>) {
        if self.path == "proxy/tests/tidy.rs" {
            return;
        }
        for (index, line) in self.lines.iter().enumerate() {
            for word in ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "dbg!("] {
                if line.contains(word) {
                    findings.push(format!("{}:{}: leftover {word}", self.path, index + 1));
                }
            }
        }
    }

    fn check_imports(&self, findings: &mut Vec<String>) {
        for (folder, forbidden) in FORBIDDEN_IMPORTS {
            if !self.path.starts_with(folder) {
                continue;
            }
            for (index, line) in self.lines[..self.tests_start()].iter().enumerate() {
                let code = line.trim_start();
                if code.starts_with("//") {
                    continue;
                }
                for name in *forbidden {
                    if names_path(code, name) {
                        let at = format!("{}:{}", self.path, index + 1);
                        findings.push(format!("{at}: {name} does not belong in {folder}"));
                    }
                }
            }
        }
    }

    fn check_tests_do_not_sleep(&self, findings: &mut Vec<String>) {
        if self.path == "proxy/tests/tidy.rs" {
            return;
        }
        for (index, line) in self.lines.iter().enumerate().skip(self.tests_start()) {
            if line.contains("thread::sleep(") || line.contains("time::sleep(") {
                let at = format!("{}:{}", self.path, index + 1);
                findings.push(format!(
                    "{at}: a test waits for an event, it does not sleep"
                ));
            }
        }
    }
}

/// Does `code` name the path `name` (as `name::` or `use name`), not merely contain the letters?
fn names_path(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':');
        let rest = &code[at + name.len()..];
        starts && (name.contains("::") || rest.contains("::") || rest.starts_with(';'))
    })
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

/// Relative link targets of one line of Markdown, without their anchors.
fn local_links(line: &str) -> Vec<&str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or(""))
        .filter(|target| !target.is_empty() && !target.contains(':') && !target.starts_with('/'))
        .collect()
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("the proxy lies in the workspace")
        .to_path_buf()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .expect("below the root")
        .to_string_lossy()
        .into_owned()
}

fn files_below(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.expect("folder entry is readable").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            let skipped = name.starts_with('.') || name == "target" || name == "node_modules";
            if !skipped {
                found.extend(files_below(&path, extensions));
            }
        } else if path
            .extension()
            .is_some_and(|e| extensions.iter().any(|x| e == *x))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}
