#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Description: docs/results.md is what bench/report.py makes of the committed run, goals and remarks.
# Runs at the top of the tree; skipped where there is no Python, or no committed run.
set -euo pipefail
[[ -e bench/baseline.json ]] || { echo "no bench/baseline.json: skipped"; exit 77; }
command -v python3 >/dev/null || { echo "no python3: skipped"; exit 77; }
exec python3 bench/report.py bench/baseline.json --check docs
