//! The machine's time zone, as a JVM finds it: the variable `TZ`, else what `/etc/localtime` is a link to, else what
//! `/etc/timezone` says. UTC if nothing of it names a zone.

#![expect(clippy::disallowed_methods, reason = "reads the machine's zone")]

use std::path::Path;

/// The name of the machine's time zone.
pub(crate) fn of_machine() -> String {
    let variable = std::env::var("TZ").ok();
    let link = std::fs::read_link("/etc/localtime").ok();
    let file = std::fs::read_to_string("/etc/timezone").ok();
    found(variable.as_deref(), link.as_deref(), file.as_deref())
}

fn found(variable: Option<&str>, link: Option<&Path>, file: Option<&str>) -> String {
    let utc = || "UTC".to_owned();
    // The variable decides even if it says nothing that is known.
    if let Some(variable) = variable.filter(|variable| !variable.is_empty()) {
        let name = variable.strip_prefix(':').unwrap_or(variable);
        return known(in_database(name)).unwrap_or_else(|| {
            tracing::warn!(TZ = variable, "the time zone of the machine is not known; it is taken as UTC");
            utc()
        });
    }
    let linked = link.and_then(|link| known(in_database(link.to_str()?)));
    linked.or_else(|| known(file?.trim())).unwrap_or_else(utc)
}

/// The name of a zone from the path of its file: `/usr/share/zoneinfo/Europe/Berlin`.
fn in_database(path: &str) -> &str {
    let name = path.split_once("zoneinfo/").map_or(path, |(_, name)| name);
    name.trim_start_matches("posix/").trim_start_matches("right/")
}

fn known(name: &str) -> Option<String> {
    expressions::is_time_zone(name).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_comes_before_the_link_and_the_file() {
        let link = Path::new("../usr/share/zoneinfo/Asia/Kolkata");
        let file = Some("America/New_York\n");
        assert_eq!(found(Some("Europe/Berlin"), Some(link), file), "Europe/Berlin");
        assert_eq!(found(Some(":/usr/share/zoneinfo/posix/Europe/Rome"), Some(link), file), "Europe/Rome");
        assert_eq!(found(Some(""), Some(link), file), "Asia/Kolkata");
        assert_eq!(found(None, Some(Path::new("/somewhere/else")), file), "America/New_York");
        assert_eq!(found(None, None, None), "UTC");
    }

    #[test]
    fn a_variable_that_names_no_zone_is_utc() {
        assert_eq!(found(Some("CET-1CEST,M3.5.0,M10.5.0/3"), None, Some("Europe/Berlin")), "UTC");
    }
}
