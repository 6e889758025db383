//! Regular expressions. They are those of the `regex` crate, which is Java's syntax without look-around and
//! back-references; a pattern is compiled once if it is constant, else kept as long as it repeats.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "SQL arithmetic wraps as Java's; positions are bounded by a batch"
)]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanBuilder, Int32Builder, ListBuilder, StringBuilder},
    datatypes::{Field, Int32Type},
};
use model::{DataType, Failure};
use regex::Regex;

use crate::{
    arg::Inputs,
    function::{
        Arguments,
        Body::Bound,
        Function, Kernel,
        Parameter::{Int, Text},
        function, operator, returns,
    },
};

pub(crate) const FUNCTIONS: &[Function] = &[
    function("REGEXP", &[Text, Text], returns::boolean, Bound(matches)).aliases(&["RLIKE"]),
    function("REGEXP_COUNT", &[Text, Text], returns::int, Bound(count)),
    function("REGEXP_EXTRACT", &[Text, Text, Int], returns::string, Bound(extract)).nullable().optional(1),
    function("REGEXP_EXTRACT_ALL", &[Text, Text, Int], strings, Bound(extract_all)).nullable().optional(1),
    function("REGEXP_INSTR", &[Text, Text], returns::int, Bound(position)),
    function("REGEXP_REPLACE", &[Text, Text, Text], returns::string, Bound(replace)),
    function("REGEXP_SUBSTR", &[Text, Text], returns::string, Bound(substring)).nullable(),
    operator("SIMILAR TO", &[Text, Text, Text], returns::boolean, Bound(similar)).optional(1),
];

fn strings(_: &Arguments<'_>) -> Result<DataType, Failure> {
    Ok(DataType::Array(Box::new(DataType::String)))
}

/// A regular expression of Java's: its classes are of ASCII only.
pub(super) fn java_regex(pattern: &str) -> Result<Regex, regex::Error> {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let classes = JAVA_CLASSES.iter().find(|(java, _)| rest.starts_with(java));
        let length = match classes {
            Some((java, class)) => {
                out.push_str(class);
                java.len()
            }
            // The backslash, and what it stands before.
            None => {
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..length]);
                length
            }
        };
        rest = &rest[length..];
    }
    out.push_str(rest);
    Regex::new(&out)
}

/// Java's classes, as classes that stand alone or within brackets.
const JAVA_CLASSES: [(&str, &str); 14] = [
    (r"\w", "[0-9A-Za-z_]"),
    (r"\W", "[^0-9A-Za-z_]"),
    (r"\d", "[0-9]"),
    (r"\D", "[^0-9]"),
    (r"\s", r"[ \t\n\x0B\f\r]"),
    (r"\S", r"[^ \t\n\x0B\f\r]"),
    (r"\b", r"(?-u:\b)"),
    (r"\p{Alpha}", "[A-Za-z]"),
    (r"\p{Digit}", "[0-9]"),
    (r"\p{Alnum}", "[0-9A-Za-z]"),
    (r"\p{Upper}", "[A-Z]"),
    (r"\p{Lower}", "[a-z]"),
    (r"\p{Punct}", "[[:punct:]]"),
    (r"\p{Space}", r"[ \t\n\x0B\f\r]"),
];

/// The pattern of each row: one for all, or the last that was compiled.
#[derive(Clone, Default)]
struct Patterns {
    constant: Option<Regex>,
    last: Option<(String, Option<Regex>)>,
}

impl Patterns {
    fn new(arguments: &Arguments<'_>) -> Self {
        // A pattern that is wrong gives null, so it is no error here.
        Self { constant: arguments.constant_text(1).and_then(|text| java_regex(text).ok()), last: None }
    }

    fn find(&mut self, text: &str) -> Option<&Regex> {
        if self.constant.is_some() {
            return self.constant.as_ref();
        }
        if self.last.as_ref().is_none_or(|(known, _)| known != text) {
            self.last = Some((text.to_owned(), java_regex(text).ok()));
        }
        self.last.as_ref().and_then(|(_, regex)| regex.as_ref())
    }
}

/// Calls `visit` with text and pattern of each row, or nothing if one is null or the pattern is wrong.
fn each(
    inputs: &Inputs<'_>,
    patterns: &Patterns,
    mut visit: impl FnMut(usize, Option<(&str, &Regex)>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (texts, sources) = (inputs.text(0)?, inputs.text(1)?);
    let mut patterns = patterns.clone();
    for row in 0..inputs.rows {
        match (texts.get(row), sources.get(row)) {
            (Some(text), Some(source)) => visit(row, patterns.find(source).map(|regex| (text, regex)))?,
            _ => visit(row, None)?,
        }
    }
    Ok(())
}

/// An empty or wrong pattern matches nothing.
fn matches(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let patterns = Patterns::new(arguments);
    Ok(Arc::new(move |inputs| {
        let (texts, sources) = (inputs.text(0)?, inputs.text(1)?);
        let mut patterns = patterns.clone();
        let mut out = BooleanBuilder::with_capacity(inputs.rows);
        for row in 0..inputs.rows {
            let matched = texts.get(row).zip(sources.get(row)).map(|(text, source)| {
                !source.is_empty() && patterns.find(source).is_some_and(|regex| regex.is_match(text))
            });
            out.append_option(matched);
        }
        Ok(Arc::new(out.finish()))
    }))
}

fn count(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let patterns = Patterns::new(arguments);
    Ok(Arc::new(move |inputs| {
        let mut out = Int32Builder::with_capacity(inputs.rows);
        each(inputs, &patterns, |_, found| {
            out.append_option(found.map(|(text, regex)| regex.find_iter(text).count() as i32));
            Ok(())
        })?;
        Ok(Arc::new(out.finish()))
    }))
}

/// Character position of the first match from 1; 0 if there is none.
fn position(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let patterns = Patterns::new(arguments);
    Ok(Arc::new(move |inputs| {
        let mut out = Int32Builder::with_capacity(inputs.rows);
        each(inputs, &patterns, |_, found| {
            out.append_option(found.map(|(text, regex)| {
                regex.find(text).map_or(0, |found| text[..found.start()].chars().count() as i32 + 1)
            }));
            Ok(())
        })?;
        Ok(Arc::new(out.finish()))
    }))
}

fn substring(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let patterns = Patterns::new(arguments);
    Ok(Arc::new(move |inputs| {
        let mut out = StringBuilder::new();
        each(inputs, &patterns, |_, found| {
            out.append_option(found.and_then(|(text, regex)| regex.find(text)).map(|found| found.as_str()));
            Ok(())
        })?;
        Ok(Arc::new(out.finish()))
    }))
}

/// The group of the first match; the whole match without a number.
fn extract(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let patterns = Patterns::new(arguments);
    let has_group = arguments.types.len() > 2;
    Ok(Arc::new(move |inputs| {
        let mut out = StringBuilder::with_capacity(inputs.rows, inputs.rows * 8);
        let groups = if has_group { Some(inputs.primitive::<Int32Type>(2)?) } else { None };
        let mut locations: Option<regex::CaptureLocations> = None;
        each(inputs, &patterns, |row, found| {
            let group = groups.as_ref().map_or(Some(0), |groups| groups.get(row));
            let extracted = found.zip(group).and_then(|((text, regex), group)| {
                let group = usize::try_from(group).ok()?;
                if group == 0 {
                    return regex.find(text).map(|found| found.as_str());
                }
                // Locations belong to a pattern; they are kept while its number of groups is the same.
                if locations.as_ref().is_none_or(|known| known.len() != regex.captures_len()) || !patterns.is_constant()
                {
                    locations = Some(regex.capture_locations());
                }
                let locations = locations.as_mut()?;
                regex.captures_read(locations, text)?;
                locations.get(group).map(|(start, end)| &text[start..end])
            });
            out.append_option(extracted);
            Ok(())
        })?;
        Ok(Arc::new(out.finish()))
    }))
}

impl Patterns {
    fn is_constant(&self) -> bool {
        self.constant.is_some()
    }
}

/// The group of every match; the first group without a number.
fn extract_all(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let patterns = Patterns::new(arguments);
    let has_group = arguments.types.len() > 2;
    Ok(Arc::new(move |inputs| {
        let field = Field::new("item", arrow::datatypes::DataType::Utf8, true);
        let mut out = ListBuilder::new(StringBuilder::new()).with_field(field);
        let groups = if has_group { Some(inputs.primitive::<Int32Type>(2)?) } else { None };
        each(inputs, &patterns, |row, found| {
            let group = groups.as_ref().map_or(Some(1), |groups| groups.get(row));
            let group = group.and_then(|group| usize::try_from(group).ok());
            let Some(((text, regex), group)) =
                found.zip(group).filter(|((_, regex), group)| *group < regex.captures_len())
            else {
                out.append(false);
                return Ok(());
            };
            for captures in regex.captures_iter(text) {
                out.values().append_option(captures.get(group).map(|found| found.as_str()));
            }
            out.append(true);
            Ok(())
        })?;
        Ok(Arc::new(out.finish()))
    }))
}

/// Replaces all matches. The replacement is taken as it is: it does not refer to groups.
fn replace(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let patterns = Patterns::new(arguments);
    Ok(Arc::new(move |inputs| {
        let mut out = StringBuilder::new();
        let replacements = inputs.text(2)?;
        each(inputs, &patterns, |row, found| {
            match found.zip(replacements.get(row)) {
                Some(((text, regex), replacement)) => {
                    out.append_value(regex.replace_all(text, regex::NoExpand(replacement)));
                }
                None => out.append_null(),
            }
            Ok(())
        })?;
        Ok(Arc::new(out.finish()) as ArrayRef)
    }))
}

/// What `_` of a pattern stands for: any character but the end of a line.
pub(super) const ANY_CHARACTER: &str = r"[^\n\r\u{85}\u{2028}\u{2029}]";
/// What `%` of a pattern stands for.
pub(super) const ANY_CHARACTERS: &str = "(?s:.*)";
/// What has a meaning in a pattern of `SIMILAR TO`, unless an escape stands before it.
const SIMILAR_SPECIALS: &str = "_%^|*+?{}()[]-";

fn similar(arguments: &Arguments<'_>) -> Result<Kernel, Failure> {
    let pattern =
        arguments.constant_text(1).ok_or_else(|| Failure::user("the pattern of SIMILAR TO is not a constant"))?;
    let escape = arguments.constant_text(2).and_then(|text| text.chars().next());
    let regex = similar_regex(pattern, escape)?;
    let regex = Regex::new(&regex).map_err(|error| Failure::user(format!("pattern {pattern}: {error}")))?;
    Ok(Arc::new(move |inputs| {
        let texts = inputs.text(0)?;
        let mut out = BooleanBuilder::with_capacity(inputs.rows);
        for row in 0..inputs.rows {
            out.append_option(texts.get(row).map(|text| regex.is_match(text)));
        }
        Ok(Arc::new(out.finish()))
    }))
}

/// The regular expression of a pattern of `SIMILAR TO`. A dot matches any character, as in Flink.
fn similar_regex(pattern: &str, escape: Option<char>) -> Result<String, Failure> {
    let mut regex = String::from("^(?:");
    let mut characters = pattern.chars();
    let mut in_brackets = false;
    while let Some(character) = characters.next() {
        match character {
            _ if Some(character) == escape => {
                let escaped = characters.next();
                let escaped = escaped.filter(|next| SIMILAR_SPECIALS.contains(*next) || Some(*next) == escape);
                let escaped = escaped
                    .ok_or_else(|| Failure::user(format!("pattern {pattern} has an escape before nothing special")))?;
                regex.push_str(&regex::escape(escaped.encode_utf8(&mut [0; 4])));
            }
            '[' if in_brackets => regex.push_str(&class_name(&mut characters, pattern)?),
            '[' | ']' => {
                in_brackets = character == '[';
                regex.push(character);
            }
            '%' if !in_brackets => regex.push_str(ANY_CHARACTERS),
            '_' if !in_brackets => regex.push_str(ANY_CHARACTER),
            '\\' | '$' => regex.extend(['\\', character]),
            _ => regex.push(character),
        }
    }
    regex.push_str(")$");
    Ok(regex)
}

/// `[:ALPHA:]` and its kin within brackets, after the `[`.
fn class_name(characters: &mut std::str::Chars<'_>, pattern: &str) -> Result<String, Failure> {
    let rest = characters.as_str();
    let name = rest.strip_prefix(':').and_then(|rest| rest.split_once(":]"));
    let (name, after) =
        name.ok_or_else(|| Failure::user(format!("pattern {pattern} has a bracket within brackets")))?;
    *characters = after.chars();
    Ok(match name.to_ascii_lowercase().as_str() {
        "whitespace" => "[:space:]".to_owned(),
        "space" => " ".to_owned(),
        name => format!("[:{name}:]"),
    })
}
