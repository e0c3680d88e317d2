#!/usr/bin/env python3
"""Holds the documentation against the tests and results: every test and result file that docs/*.md names
must be there, every row of a table with a column "test" must name a test, or a test file or folder, and
nothing may be left to be filled in.

A name is `Suite.Test`, or `.Test` of the suite named before it; `Suite.*` means any test of the suite,
and a name may end in an ellipsis.

Usage: check_documented_tests.py SOURCE_ROOT
"""
import pathlib
import re
import sys

DEFINITION = re.compile(
    r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P|RC_GTEST_PROP|RC_GTEST_FIXTURE_PROP)"
    r"\(\s*(\w+),\s*(\w+)", re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")
NAME = re.compile(r"([A-Z]\w+)?\.(\*|[A-Z]\w*)(…?)$")
PLACE = re.compile(r"(?:tests|results)/[\w/.*-]+$")
TO_BE_FILLED_IN = re.compile(r"@[A-Z0-9]+@|\b(?:TODO|FIXME|TBD)\b")


def defined_tests(root):
    suites = {}
    for source in (root / "tests").rglob("*.cpp"):
        for suite, test in DEFINITION.findall(source.read_text()):
            suites.setdefault(suite, set()).add(test)
    return suites


def is_there(suites, suite, test, begins):
    tests = suites.get(suite, set())
    if test == "*":
        return bool(tests)
    return any(t.startswith(test) for t in tests) if begins else test in tests


class Page:
    """What one page claims; check() gives its complaints."""

    def __init__(self, root, page, suites):
        self.root, self.page, self.suites = root, page, suites
        self.complaints = []

    def complain(self, number, what):
        self.complaints.append(f"{self.page.relative_to(self.root)}:{number}: {what}")

    def names_in(self, number, text):
        """How many tests or places of tests the text names."""
        found = 0
        suite = None
        for quoted in QUOTED.findall(text):
            if PLACE.match(quoted):
                found += 1
                if not list(self.root.glob(quoted)):
                    self.complain(number, f"{quoted} is not there")
                continue
            name = NAME.match(quoted)
            if name is None or (name[1] is None and suite is None):
                continue
            suite = name[1] or suite
            found += 1
            if not is_there(self.suites, suite, name[2], name[3]):
                self.complain(number, f"there is no test {suite}.{name[2]}{name[3]}")
        return found

    def check(self):
        test_column = None
        for number, line in enumerate(self.page.read_text().splitlines(), 1):
            found = self.names_in(number, line)
            if TO_BE_FILLED_IN.search(line):
                self.complain(number, "something is still to be filled in")
            if not line.startswith("|"):
                test_column = None
                continue
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if test_column is None:
                named = [i for i, cell in enumerate(cells) if cell.split(" ")[0] == "test"]
                test_column = named[0] if named else -1
            elif test_column >= 0 and not set(line) <= set("|- "):
                # Of a step at which nothing can fail there is nothing to test.
                if found == 0 and "nothing" not in cells:
                    self.complain(number, "this row names no test")
        return self.complaints


def main(root):
    suites = defined_tests(root)
    if len(suites) < 50:
        sys.exit("the tests were not found")
    complaints = []
    for page in sorted((root / "docs").glob("*.md")):
        complaints += Page(root, page, suites).check()
    if complaints:
        sys.exit("\n".join(complaints))
    print("every documented test is there")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
