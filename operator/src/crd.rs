//! The `FlinkJob` resource as users write and read it. Names and defaults here are the public interface.

pub mod quantity;
pub mod spec;
pub mod status;

use kube::CustomResourceExt;

pub use quantity::Quantity;
pub use spec::*;
pub use status::*;

/// Annotation: any new value takes one savepoint.
pub const SAVEPOINT: &str = "sluice.dev/savepoint";
/// Annotation: any new value restarts the job in place, with its state.
pub const RESTART: &str = "sluice.dev/restart";
/// Annotation: `true` leaves everything but deletion alone.
pub const PAUSE: &str = "sluice.dev/pause-reconciliation";
/// Finalizer of jobs that take a savepoint when they are deleted.
pub const FINALIZER: &str = "sluice.dev/savepoint-on-deletion";

/// The custom resource definition as YAML, what `sluice-operator crd` prints.
///
/// # Errors
/// If the definition cannot be written as YAML.
pub fn yaml() -> Result<String, serde_yaml_ng::Error> {
    serde_yaml_ng::to_string(&FlinkJob::crd())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde::Deserialize;

    /// `crds/` holds what this build prints; the chart has the same text.
    #[test]
    fn the_definition_is_as_recorded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let text = super::yaml().unwrap();
        let chart = format!("{{{{- if .Values.crds.enabled }}}}\n{}{{{{- end }}}}\n", kept(&text));
        let files = [("crds/flinkjobs.sluice.dev.yaml", text), ("charts/sluice/templates/crds.yaml", chart)];
        for (file, text) in files {
            let file = root.join(file);
            if std::env::var_os("UPDATE").is_some() {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(&file, &text).unwrap();
            }
            let recorded = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(recorded == text, "{} is out of date; run the tests with UPDATE=1", file.display());
        }
    }

    /// With `crds.keep` an uninstalled chart leaves the definition, and so all jobs, behind.
    fn kept(text: &str) -> String {
        let annotation =
            "{{- if .Values.crds.keep }}\n  annotations:\n    helm.sh/resource-policy: keep\n  {{- end }}\n";
        text.replacen("metadata:\n", &format!("metadata:\n  {annotation}"), 1)
    }

    /// Rendered from the chart by `deploy/render.sh`, which needs helm; this notices that it was forgotten.
    #[test]
    fn the_plain_manifest_has_this_definition() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/base/install.yaml");
        let text = std::fs::read_to_string(file).unwrap();
        let documents = serde_yaml_ng::Deserializer::from_str(&text);
        let documents = documents.map(|document| serde_yaml_ng::Value::deserialize(document).unwrap());
        let ours: serde_yaml_ng::Value = serde_yaml_ng::from_str(&super::yaml().unwrap()).unwrap();
        let mut definitions = documents.filter(|document| document["kind"] == "CustomResourceDefinition");
        assert!(definitions.any(|document| document["spec"] == ours["spec"]), "run deploy/render.sh");
    }

    #[test]
    fn the_definition_stays_small() {
        assert!(super::yaml().unwrap().len() < 50_000);
    }
}
