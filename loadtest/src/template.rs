//! Configuration files with `{{words}}` to fill in.

use std::path::Path;
use std::{fs, io};

/// One file before it is filled.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    name: String,
    text: String,
}

/// A word that nobody has a value for.
#[derive(Debug, thiserror::Error)]
#[error("{template}: unknown placeholder {{{{{name}}}}}; known are {known}")]
pub struct UnknownPlaceholder {
    template: String,
    name: String,
    known: String,
}

impl Template {
    /// One that is compiled in; `name` is where people find it.
    #[must_use]
    pub(crate) fn built_in(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        Ok(Self {
            name: path.display().to_string(),
            text: fs::read_to_string(path)?,
        })
    }

    /// Puts a value in the place of every word.
    pub(crate) fn fill(
        &self,
        values: &[(&str, impl AsRef<str>)],
    ) -> Result<String, UnknownPlaceholder> {
        let mut filled = String::with_capacity(self.text.len());
        let mut rest = self.text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            filled.push_str(before);
            let (name, after) = after.split_once("}}").unwrap_or((after, ""));
            let Some((_, value)) = values.iter().find(|(known, _)| *known == name) else {
                let known: Vec<&str> = values.iter().map(|(known, _)| *known).collect();
                return Err(UnknownPlaceholder {
                    template: self.name.clone(),
                    name: name.to_owned(),
                    known: known.join(", "),
                });
            };
            filled.push_str(value.as_ref());
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_other_braces_stay() {
        let template = Template::built_in("x.yaml", "a: {{x}} b: { c: {{y}}/1 }");
        let filled = template.fill(&[("x", "1"), ("y", "/k")]);
        assert_eq!(filled.expect("known words"), "a: 1 b: { c: /k/1 }");
    }

    #[test]
    fn an_unknown_placeholder_names_itself_and_what_would_be_right() {
        let template = Template::built_in("x.yaml", "a: {{prxy}}");
        let error = template.fill(&[("proxy", ""), ("h2c", "")]);
        assert_eq!(
            error.expect_err("unknown word").to_string(),
            "x.yaml: unknown placeholder {{prxy}}; known are proxy, h2c"
        );
    }
}
