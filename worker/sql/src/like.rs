//! `CREATE TABLE … LIKE`: a declaration that takes over features of another.

use crate::{
    SqlError,
    statement::{ColumnKind, CreateTable, Feature, Inherit, Like},
};

/// What `create` declares together with what it takes over from `base`.
pub(crate) fn merged(base: &CreateTable, like: &Like, create: CreateTable) -> Result<CreateTable, SqlError> {
    let rule = |feature| like.rule(feature);
    // The feature that a column is of, if it is more than a physical one.
    let feature_of = |kind: &ColumnKind| match kind {
        ColumnKind::Physical { .. } => None,
        ColumnKind::Computed(..) => Some(Feature::Generated),
        ColumnKind::Metadata { .. } => Some(Feature::Metadata),
    };
    let mut columns = Vec::new();
    for column in &base.columns {
        let again = create.columns.iter().find(|own| own.name.value == column.name.value);
        let feature = feature_of(&column.kind);
        let inherit = feature.map(rule);
        match again {
            _ if inherit == Some(Inherit::Excluding) => {}
            None => columns.push(column.clone()),
            Some(own) if inherit == Some(Inherit::Overwriting) && feature_of(&own.kind) == feature => {}
            Some(own) => {
                let message = format!("column '{}' is already in the table '{}'", own.name.value, like.table.value);
                return Err(SqlError::at_ident(message, &own.name));
            }
        }
    }
    columns.extend(create.columns);
    let inherits = |feature| rule(feature) != Inherit::Excluding;
    let both = |what: &str| {
        let message = format!("{what} is declared here and in the table '{}'", like.table.value);
        SqlError::at_ident(message, &like.table)
    };
    let watermark = match (create.watermark, &base.watermark) {
        (Some(_), Some(_)) if rule(Feature::Watermarks) == Inherit::Including => return Err(both("a WATERMARK")),
        (None, inherited) if inherits(Feature::Watermarks) => inherited.clone(),
        (own, _) => own,
    };
    let list = |own: Vec<_>, inherited: &Vec<_>, feature, what: &str| match (own.is_empty(), inherited.is_empty()) {
        _ if !inherits(feature) => Ok(own),
        (false, false) => Err(both(what)),
        (true, _) => Ok(inherited.clone()),
        (false, true) => Ok(own),
    };
    let primary_key = list(create.primary_key, &base.primary_key, Feature::Constraints, "a PRIMARY KEY")?;
    let partitioned_by = list(create.partitioned_by, &base.partitioned_by, Feature::Partitions, "PARTITIONED BY")?;
    let distribution = match (create.distribution, &base.distribution) {
        (Some(_), Some(_)) if inherits(Feature::Distribution) => return Err(both("DISTRIBUTED")),
        (None, inherited) if inherits(Feature::Distribution) => inherited.clone(),
        (own, _) => own,
    };
    let primary_key_name = create.primary_key_name.or_else(|| base.primary_key_name.clone());
    let mut options = create.options;
    for (key, value) in base.options.iter().filter(|_| inherits(Feature::Options)) {
        let given = options.iter().any(|(own, _)| own == key);
        if given && rule(Feature::Options) == Inherit::Including {
            return Err(both(&format!("the option '{key}'")));
        }
        if !given {
            options.push((key.clone(), value.clone()));
        }
    }
    Ok(CreateTable {
        columns,
        watermark,
        primary_key,
        primary_key_name,
        distribution,
        partitioned_by,
        options,
        like: None,
        ..create
    })
}
