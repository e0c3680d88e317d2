#!/usr/bin/env python3
"""Counts the test cases in meson's JUnit report and prints 'N passed, N failed, N skipped' as the last line.

usage: count_results.py REPORT STATUS

STATUS is what `meson test` exited with. A test program that broke before it could report its cases counts
as one failure. Exits 1 if anything failed or nothing ran.
"""
import sys
import xml.etree.ElementTree as ElementTree


def main() -> int:
    report, status = sys.argv[1], int(sys.argv[2])
    passed = failed = skipped = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            if case.find("skipped") is not None or case.get("result") == "suppressed":
                skipped += 1
            elif case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            else:
                passed += 1
    if status != 0 and failed == 0:
        failed = 1  # a program crashed, leaked or timed out outside any of its cases
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
