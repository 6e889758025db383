//! JSON paths: `lax $.a['b'][0][*].*`, and of JsonPath also `[-1]`, `[0,1]`, `[1:3]` and `..a`.
//!
//! A path is definite if it names one value. What other paths find is an array, in order.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::borrow::Cow;

use super::value::Json;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    /// From the end if negative.
    Index(i64),
    Indices(Vec<i64>),
    /// Up to an index that is not included.
    Slice(Option<i64>, Option<i64>),
    /// All fields or items.
    All,
    /// All values within, and the value itself.
    Within,
}

impl Step {
    fn is_definite(&self) -> bool {
        matches!(self, Self::Field(_) | Self::Index(_))
    }

    /// What it leads to from a value; none if there is no such thing.
    fn take<'a>(&self, from: &'a Json, into: &mut Vec<&'a Json>) -> Option<()> {
        match (self, from) {
            (Self::Field(name), _) => into.push(from.field(name)?),
            (Self::Index(index), Json::Array(items)) => into.push(items.get(position(*index, items.len())?)?),
            (Self::Indices(indices), Json::Array(items)) => {
                into.extend(indices.iter().filter_map(|index| items.get(position(*index, items.len())?)));
            }
            (Self::Slice(start, end), Json::Array(items)) => {
                let bound = |index: i64| if index < 0 { index + items.len() as i64 } else { index }.max(0) as usize;
                let end = end.map_or(items.len(), bound).min(items.len());
                let start = start.map_or(0, bound);
                into.extend(items.get(start..end).unwrap_or_default());
            }
            (Self::All, Json::Array(items)) => into.extend(items),
            (Self::All, Json::Object(fields)) => into.extend(fields.iter().map(|(_, value)| value)),
            (Self::Within, _) => within(from, into),
            _ => return None,
        }
        Some(())
    }
}

fn position(index: i64, length: usize) -> Option<usize> {
    usize::try_from(if index < 0 { index + length as i64 } else { index }).ok()
}

fn within<'a>(from: &'a Json, into: &mut Vec<&'a Json>) {
    into.push(from);
    match from {
        Json::Array(items) => items.iter().for_each(|item| within(item, into)),
        Json::Object(fields) => fields.iter().for_each(|(_, value)| within(value, into)),
        _ => {}
    }
}

/// A parsed path.
#[derive(Clone, Debug)]
pub(super) struct Path {
    lax: bool,
    steps: Vec<Step>,
}

/// What a path finds.
pub(super) enum Found<'a> {
    Value(Cow<'a, Json>),
    /// A lax path leads nowhere.
    Nothing,
    /// A strict path asks for what is not there.
    Error,
}

impl Path {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let (lax, rest) = match trimmed.split_once(char::is_whitespace) {
            Some((mode, rest)) if mode.eq_ignore_ascii_case("lax") => (true, rest.trim_start()),
            Some((mode, rest)) if mode.eq_ignore_ascii_case("strict") => (false, rest.trim_start()),
            _ => (false, trimmed),
        };
        let steps = match rest.strip_prefix('$') {
            Some(rest) => steps(rest),
            // A name alone is a field.
            None if rest.is_empty() => None,
            None => steps(&format!(".{rest}")),
        };
        Some(Self { lax, steps: steps? })
    }

    /// Whether what is not there is nothing, instead of an error.
    pub(super) fn is_lax(&self) -> bool {
        self.lax
    }

    pub(super) fn find<'a>(&self, json: &'a Json) -> Found<'a> {
        let mut values = vec![json];
        let mut is_definite = true;
        for step in &self.steps {
            let mut next = Vec::new();
            for value in values {
                // Past a step to many values those are left out that lead nowhere.
                if step.take(value, &mut next).is_none() && is_definite {
                    return if self.lax { Found::Nothing } else { Found::Error };
                }
            }
            values = next;
            is_definite &= step.is_definite();
        }
        match values.as_slice() {
            [value] if is_definite => Found::Value(Cow::Borrowed(value)),
            many => Found::Value(Cow::Owned(Json::Array(many.iter().map(|value| (*value).clone()).collect()))),
        }
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            steps.push(Step::Within);
            if after.starts_with('[') {
                rest = after;
                continue;
            }
            // The name follows as after one dot.
            rest = &rest[1..];
        }
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let name = after[..end].trim_end();
            match name {
                "" => return None,
                "*" => steps.push(Step::All),
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
        steps.push(bracketed(inside.trim())?);
        rest = after;
    }
    Some(steps)
}

/// `*`, `1`, `0,1`, `1:3`
fn bracketed(inside: &str) -> Option<Step> {
    if inside == "*" {
        return Some(Step::All);
    }
    if let Some((start, end)) = inside.split_once(':') {
        let bound = |text: &str| match text.trim() {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        return Some(Step::Slice(bound(start)?, bound(end)?));
    }
    let indices = inside.split(',').map(|index| index.trim().parse().ok()).collect::<Option<Vec<i64>>>()?;
    Some(if let [index] = indices[..] { Step::Index(index) } else { Step::Indices(indices) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::json::value;

    #[test]
    fn paths_find_values() {
        let json = value::parse(r#"{"a":{"b c":[10,{"d":20}]},"e":null}"#).unwrap();
        for (path, expected) in [
            ("$.a['b c'][0]", Some("10")),
            ("$.a[\"b c\"][1].d", Some("20")),
            ("$.a['b c'][*]", Some(r#"[10,{"d":20}]"#)),
            ("$.a['b c'][-1].d", Some("20")),
            ("$.a['b c'][0,1]", Some(r#"[10,{"d":20}]"#)),
            ("$.a['b c'][:1]", Some("[10]")),
            ("$.a['b c'][*].d", Some("[20]")),
            ("$..d", Some("[20]")),
            ("lax $.x.y", Some("nothing")),
            ("strict $.x", None),
            ("$.x", None),
            ("$.x[*]", None),
            ("$.e", Some("null")),
            ("$", Some(r#"{"a":{"b c":[10,{"d":20}]},"e":null}"#)),
        ] {
            let found = match Path::parse(path).unwrap().find(&json) {
                Found::Error => None,
                Found::Nothing => Some("nothing".to_owned()),
                Found::Value(value) => {
                    let mut out = String::new();
                    value.write(&mut out).unwrap();
                    Some(out)
                }
            };
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        for path in ["", "$.", "$[", "$[x]", "$['a'"] {
            assert!(Path::parse(path).is_none(), "{path}");
        }
    }
}
