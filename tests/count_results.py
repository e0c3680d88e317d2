#!/usr/bin/env python3
"""Names what failed in a run of `meson test` and prints 'N passed, N failed, N skipped' as the last line.

usage: count_results.py LOG-DIRECTORY STATUS

LOG-DIRECTORY is meson's (build/meson-logs), STATUS what `meson test` exited with. A test program that broke
before it could report its cases counts as one failure. Exits 1 if anything failed or nothing ran.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def broken_programs(logs: pathlib.Path) -> list[str]:
    """The test programs that did not end well, each with how it ended."""
    broken = []
    for line in (logs / "testlog.json").read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL"):
            broken.append(f"{test['name']}: {test['result']} after {test['duration']:.0f} s")
    return broken


def main() -> int:
    logs, status = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    passed = failed = skipped = 0
    for suite in ElementTree.parse(logs / "testlog.junit.xml").getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            if case.find("skipped") is not None or case.get("result") == "suppressed":
                skipped += 1
            elif case.find("failure") is not None or case.find("error") is not None:
                failed += 1
                print(f"FAILED {suite.get('name')}: {case.get('classname', '')}.{case.get('name')}")
            else:
                passed += 1
    for program in broken_programs(logs):
        print(f"FAILED {program}")
    if status != 0 and failed == 0:
        failed = 1  # a program crashed, leaked or timed out outside any of its cases
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
