#!/usr/bin/env bash
# Builds the documentation as a site in target/site, with Sphinx and MyST from PyPI: `docs/site.sh [FOLDER]`. A link that
# leads nowhere is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
site=${1:-$target/site}
command -v python3 >/dev/null || { echo "docs: Python 3 with venv is missing" >&2; exit 1; }

tools=$target/docs-tools
if [[ ! -x $tools/bin/sphinx-build ]]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet 'sphinx==8.1.3' 'myst-parser==4.0.1'
fi

# Pages link to files all over the repository, so the site has the same folders.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git ls-files '*.md' LICENSE deploy/examples charts/sluice/values.yaml docs/images docs/benchmarks |
    grep -Ev '^(\.github|worker)/' | xargs cp --parents -t "$work"
cp docs/conf.py "$work/"
{
    # The index shows the README, and has all pages in the menu.
    printf '```{include} README.md\n```\n\n'
    for menu in 'Begin:docs/README docs/first-job docs/tutorial docs/concepts docs/from-flink' \
        'Use:docs/sql docs/expressions docs/connectors docs/configuration docs/errors/README' \
        'Operate:docs/restart-and-recovery docs/savepoints docs/operations docs/rest docs/metrics docs/benchmarks' \
        'Contribute:CONTRIBUTING docs/ARCHITECTURE docs/glossary docs/STYLE docs/stored-forms docs/release docs/decisions/README CHANGELOG SECURITY CODE_OF_CONDUCT'; do
        printf '```{toctree}\n:hidden:\n:caption: %s\n' "${menu%%:*}"
        tr ' ' '\n' <<<"${menu#*:}"
        printf '```\n\n'
    done
    printf '```{toctree}\n:hidden:\n:glob:\n\ndocs/decisions/0*\ntests/**\n```\n'
} >"$work/index.md"
printf '\nexclude_patterns = ["README.md"]\n' >>"$work/conf.py"
rm -rf "$site"
"$tools/bin/sphinx-build" --quiet --fail-on-warning --keep-going -b html "$work" "$site"
echo "docs: $site/index.html"
