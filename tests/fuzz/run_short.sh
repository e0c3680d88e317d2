#!/usr/bin/env bash
# Runs every fuzz target for so many seconds, from fresh seeds, and fails if one finds anything.
# run_short.sh BUILD-DIRECTORY [SECONDS]. What was found stays in BUILD-DIRECTORY/fuzz-findings.
set -euo pipefail

build=${1:?usage: run_short.sh BUILD-DIRECTORY [SECONDS]}
seconds=${2:-20}
programs=$build/tests/fuzz
findings=$build/fuzz-findings
seeds=$(mktemp -d)
trap 'rm -rf "$seeds"' EXIT
mkdir -p "$findings"

# Freed memory that the sanitizer keeps back must not look like the target's.
export ASAN_OPTIONS=quarantine_size_mb=64
"$programs/make-seeds" "$seeds"
passed=0 failed=0
for target in key-fuzzer message-fuzzer http-fuzzer manifest-fuzzer update-fuzzer source-fuzzer fault-plan-fuzzer; do
  echo "== $target, $seconds s, from $(find "$seeds/$target" -type f | wc -l) seeds"
  # A crash, a leak, an input that takes 10 s or 512 MiB: each is a finding.
  if "$programs/$target" -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=512 -timeout=10 \
    -print_final_stats=1 -artifact_prefix="$findings/$target-" "$seeds/$target" >"$findings/$target.log" 2>&1; then
    grep -E 'stat::(number_of_executed_units|peak_rss_mb)|^Done' "$findings/$target.log" || true
    passed=$((passed + 1))
  else
    tail -n 60 "$findings/$target.log"
    echo "FAILED $target"
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
