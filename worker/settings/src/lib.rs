//! Every option: name, type, default, meaning; and the layered loading of their values.
//!
//! Names are Flink's where the meaning is Flink's. It must not know who reads an option, nor clocks, stores or clients.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests"))]

pub mod accepted;
pub mod keys;
pub mod value;

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use model::Failure;

pub use keys::nearest;
pub use value::{ByteSize, Value};

/// One option.
#[derive(Debug)]
pub struct Key<T: 'static> {
    /// Its name.
    pub name: &'static str,
    /// The default as it would be written.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Makes the type of the value part of the key.
    pub parse: fn(&str) -> Result<T, String>,
}

/// A value of whatever type its option has.
pub(crate) type Parsed = Arc<dyn Any + Send + Sync>;

/// Values by name, checked against [`keys::ALL`]. Later layers win: defaults, file, `SET`, `--set`.
#[derive(Clone, Default)]
pub struct Settings {
    /// As they were written.
    values: BTreeMap<String, String>,
    /// What was read from them, of the options in [`keys::ALL`].
    parsed: BTreeMap<&'static str, Parsed>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value)| (name, if keys::is_secret(name) { keys::MASK } else { value });
        let values = self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        f.write_str("Settings ")?;
        f.debug_map().entries(values.map(shown)).finish()
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.values == other.values
    }
}

impl Eq for Settings {}

impl Settings {
    /// Reads a YAML file's text: nested maps or dotted keys, as Flink's `config.yaml`.
    ///
    /// # Errors
    /// Class `User` for malformed YAML or an option that does not exist or does not parse.
    pub fn from_yaml(text: &str) -> Result<Self, Failure> {
        let (settings, problems) = Self::from_yaml_with_problems(text)?;
        problems.into_iter().next().map_or(Ok(settings), Err)
    }

    /// As [`Settings::from_yaml`], but leaves out the options that are wrong and returns what is wrong with each.
    ///
    /// # Errors
    /// Class `User` for malformed YAML.
    pub fn from_yaml_with_problems(text: &str) -> Result<(Self, Vec<Failure>), Failure> {
        let root: serde_yaml_ng::Value =
            serde_yaml_ng::from_str(text).map_err(|error| Failure::user(format!("configuration: {error}")))?;
        let mut options = Vec::new();
        flatten_yaml(&mut Vec::new(), &root, &mut options)?;
        let mut settings = Self::default();
        let problems = options.iter().filter_map(|(name, value)| settings.set(name, value).err()).collect();
        Ok((settings, problems))
    }

    /// Sets one option.
    ///
    /// # Errors
    /// Class `User` if the option does not exist or the value does not parse.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let parsed = keys::parse(name, value)?;
        let known = match keys::ALIASES.iter().find(|(alias, ..)| *alias == name) {
            // It says that the other option decides.
            Some((_, _, unset)) if *unset == value.trim() => return Ok(()),
            Some((_, known, _)) => known,
            None => name,
        };
        self.parsed.extend(parsed);
        self.values.insert(known.to_owned(), value.to_owned());
        Ok(())
    }

    /// Sets all of `other`'s options over these.
    pub fn merge(&mut self, other: &Self) {
        self.values.extend(other.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        self.parsed.extend(other.parsed.iter().map(|(name, value)| (*name, Arc::clone(value))));
    }

    /// The value of an option, or its default.
    pub fn get<T: Clone + 'static>(&self, key: &Key<T>) -> T {
        if let Some(value) = self.parsed.get(key.name).and_then(|value| value.downcast_ref::<T>()) {
            return value.clone();
        }
        match (key.parse)(key.default) {
            Ok(value) => value,
            // A test reads all defaults.
            Err(error) => unreachable!("the default of {} does not parse: {error}", key.name),
        }
    }

    /// Whether an option was given.
    pub fn is_set<T>(&self, key: &Key<T>) -> bool {
        self.values.contains_key(key.name)
    }

    /// What was given, by name.
    pub fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// Checks and takes a map of options.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn from_map(values: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut settings = Self::default();
        for (name, value) in values {
            settings.set(name, value)?;
        }
        Ok(settings)
    }
}

/// The options of a YAML tree: dotted names and values.
fn flatten_yaml(
    path: &mut Vec<String>,
    value: &serde_yaml_ng::Value,
    options: &mut Vec<(String, String)>,
) -> Result<(), Failure> {
    use serde_yaml_ng::Value as Yaml;
    let text = match value {
        Yaml::Null => return Ok(()),
        Yaml::Mapping(entries) => {
            for (key, value) in entries {
                let key = key.as_str().ok_or_else(|| Failure::user("configuration: a key is not a string"))?;
                path.push(key.to_owned());
                flatten_yaml(path, value, options)?;
                path.pop();
            }
            return Ok(());
        }
        Yaml::Bool(value) => value.to_string(),
        Yaml::Number(value) => value.to_string(),
        Yaml::String(value) => value.clone(),
        Yaml::Sequence(_) | Yaml::Tagged(_) => {
            return Err(Failure::user(format!("configuration: {} takes a single value", path.join("."))));
        }
    };
    options.push((path.join("."), text));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_not_printed() {
        let mut settings = Settings::default();
        settings.set("s3.secret-key", "hidden").unwrap();
        settings.set("s3.region", "eu-1").unwrap();
        assert_eq!(format!("{settings:?}"), r#"Settings {"s3.region": "eu-1", "s3.secret-key": "******"}"#);
    }

    #[test]
    fn wrong_options_of_a_file_are_left_out_and_reported() {
        let text = "parallelism.default: 3\nno.such: 1\nheartbeat:\n  timeout: soon\n  interval: 2 s\n";
        let (settings, problems) = Settings::from_yaml_with_problems(text).unwrap();
        assert_eq!(settings.values().keys().collect::<Vec<_>>(), ["heartbeat.interval", "parallelism.default"]);
        let names = ["no.such", "heartbeat.timeout"];
        assert_eq!(problems.len(), names.len());
        for (problem, name) in problems.iter().zip(names) {
            assert!(problem.message.contains(name), "{problem}");
        }
        assert_eq!(Settings::from_yaml(text).unwrap_err(), problems[0]);
    }
}
