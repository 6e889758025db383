#!/usr/bin/env bash
# Renders the chart into base/install.yaml, for those without helm. With --check it only compares.
set -euo pipefail
cd "$(dirname "$0")"

rendered=$(mktemp)
trap 'rm -f "$rendered"' EXIT
{
    echo "# Rendered from charts/sluice by deploy/render.sh; change it there."
    printf -- '---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: sluice-system\n'
    helm template sluice ../charts/sluice --namespace sluice-system --kube-version 1.34.0 \
        --set crds.keep=false | sed '/helm.sh\/chart:/d; /app.kubernetes.io\/managed-by: Helm/d; /^# Source:/d'
} >"$rendered"

if [[ ${1:-} == --check ]]; then
    diff -u base/install.yaml "$rendered"
else
    cp "$rendered" base/install.yaml
fi
