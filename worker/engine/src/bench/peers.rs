//! Figures of other engines or builds to compare with, from a file: a table with a column `query` and a column of thousands
//! of events a second for each of them.

use std::path::Path;

use model::Failure;

/// The figures of a file; none without one.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// Their names.
    pub(super) names: Vec<String>,
    rows: Vec<(String, Vec<Option<f64>>)>,
}

impl Peers {
    /// Reads a file of tab-separated values with a header. Lines that begin with `#` are comments.
    ///
    /// # Errors
    /// Class `User`, naming file and line, for a file that cannot be read or a figure that is no number.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text =
            std::fs::read_to_string(path).map_err(|error| Failure::user(format!("{}: {error}", path.display())))?;
        Self::parse(&text).map_err(|failure| failure.at(path.display()))
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
        let (_, header) = lines.next().ok_or_else(|| Failure::user("there is no header"))?;
        let names = header.split('\t').skip(1).map(str::to_owned).collect();
        let mut rows = Vec::new();
        for (index, line) in lines {
            let mut fields = line.split('\t');
            let query = fields.next().unwrap_or_default().to_owned();
            let figure = |field: &str| match field.trim() {
                "" => Ok(None),
                text => text
                    .parse()
                    .map(Some)
                    .map_err(|_| Failure::user(format!("line {}: '{text}' is not a number", index + 1))),
            };
            rows.push((query, fields.map(figure).collect::<Result<_, _>>()?));
        }
        Ok(Self { names, rows })
    }

    /// The ratio of a query's events a second to each peer's; none where a peer was not measured.
    pub(super) fn ratios(&self, query: &str, events_per_second: f64) -> Vec<Option<f64>> {
        let row = self.rows.iter().find(|(known, _)| known == query);
        let of = |index: usize| row.and_then(|(_, figures)| *figures.get(index)?);
        (0..self.names.len()).map(|index| of(index).map(|thousands| events_per_second / (thousands * 1000.0))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_query_and_column() {
        let peers = Peers::parse("# comment\nquery\tA\tB\nq1\t2\t\nq2\t\t4\n").unwrap();
        assert_eq!(peers.names, ["A", "B"]);
        assert_eq!(peers.ratios("q1", 4000.0), [Some(2.0), None]);
        assert_eq!(peers.ratios("q2", 4000.0), [None, Some(1.0)]);
        assert_eq!(peers.ratios("q3", 4000.0), [None, None]);
        let error = Peers::parse("query\tA\nq1\tfast\n").unwrap_err();
        assert_eq!(error.message, "line 2: 'fast' is not a number");
    }
}
