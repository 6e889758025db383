//! SQL's JSON paths: `lax $.a['b'][0][*].*`.

use model::Failure;

use super::value::Json;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(usize),
    AllFields,
    AllItems,
}

/// A parsed path.
#[derive(Clone, Debug)]
pub(super) struct Path {
    lax: bool,
    steps: Vec<Step>,
}

/// What a path finds.
pub(super) enum Found<'a> {
    Values(Vec<&'a Json>),
    /// A strict path asks for what is not there.
    Error,
}

impl Path {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let trimmed = text.trim();
        let (lax, rest) = match trimmed.split_once(char::is_whitespace) {
            Some((mode, rest)) if mode.eq_ignore_ascii_case("lax") => (true, rest.trim_start()),
            Some((mode, rest)) if mode.eq_ignore_ascii_case("strict") => (false, rest.trim_start()),
            _ => (false, trimmed),
        };
        let steps = rest.strip_prefix('$').and_then(steps);
        let steps = steps.ok_or_else(|| Failure::data(format!("{text} is not a JSON path")))?;
        Ok(Self { lax, steps })
    }

    pub(super) fn find<'a>(&self, json: &'a Json) -> Found<'a> {
        let mut values = vec![json];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in values {
                let found = match (step, value) {
                    (Step::Field(name), _) => value.field(name).map(|value| next.push(value)),
                    (Step::Index(index), Json::Array(items)) => items.get(*index).map(|value| next.push(value)),
                    (Step::AllItems, Json::Array(items)) => {
                        next.extend(items);
                        Some(())
                    }
                    (Step::AllFields, Json::Object(fields)) => {
                        next.extend(fields.iter().map(|(_, value)| value));
                        Some(())
                    }
                    _ => None,
                };
                if found.is_none() && !self.lax {
                    return Found::Error;
                }
            }
            values = next;
        }
        Found::Values(values)
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let name = after[..end].trim_end();
            match name {
                "" => return None,
                "*" => steps.push(Step::AllFields),
                _ => steps.push(Step::Field(name.trim_matches('"').to_owned())),
            }
            rest = &after[end..];
            continue;
        }
        let after = rest.strip_prefix('[')?;
        if let Some(quoted) = after.strip_prefix(['\'', '"']) {
            let end = quoted.find(['\'', '"'])?;
            steps.push(Step::Field(quoted[..end].to_owned()));
            rest = quoted[end + 1..].strip_prefix(']')?;
            continue;
        }
        let (inside, after) = after.split_once(']')?;
        match inside.trim() {
            "*" => steps.push(Step::AllItems),
            index => steps.push(Step::Index(index.parse().ok()?)),
        }
        rest = after;
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::json::value;

    #[test]
    fn paths_find_values() {
        let json = value::parse(r#"{"a":{"b c":[10,{"d":20}]},"e":null}"#).unwrap();
        for (path, expected) in [
            ("$.a['b c'][0]", Some("[10]")),
            ("$.a[\"b c\"][1].d", Some("[20]")),
            ("$.a['b c'][*]", Some(r#"[10,{"d":20}]"#)),
            ("lax $.x.y", Some("[]")),
            ("strict $.x", None),
            ("$.x", None),
            ("$.e", Some("[null]")),
            ("$", Some(r#"[{"a":{"b c":[10,{"d":20}]},"e":null}]"#)),
        ] {
            let found = match Path::parse(path).unwrap().find(&json) {
                Found::Error => None,
                Found::Values(values) => {
                    let mut out = String::new();
                    Json::Array(values.into_iter().cloned().collect()).write(&mut out).unwrap();
                    Some(out)
                }
            };
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        for path in ["", "a", "$.", "$[", "$[x]", "$['a'"] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }
}
