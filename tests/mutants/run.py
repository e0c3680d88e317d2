#!/usr/bin/env python3
"""Applies every mutant to a copy of the tree, and requires that a test catches it.

A mutant is a patch: what it breaks, then a line `Test: PROGRAM [ARGUMENT…]` for each test program that
must fail on it (one that fails is enough, in their order), then the difference. One that no longer
applies, that does not compile, or that no test catches fails the run; so does a test that fails on the tree as
it is, because it would catch anything.

run.py [--only WORD]… [--directory DIRECTORY]
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEST_SECONDS = 300


def parse(path):
    what, tests = [], []
    for line in path.read_text().splitlines():
        if line.startswith("--- "):
            break
        if line.startswith("Test: "):
            tests.append(line.removeprefix("Test: ").split())
        elif line:
            what.append(line)
    return " ".join(what), tests


def copy_tree(to):
    """The files that git knows or would know; those that did not change keep their times."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                            capture_output=True).stdout.decode().split("\0")
    wanted = {name for name in listed if name and (ROOT / name).is_file()}
    for name in wanted:
        source, target = ROOT / name, to / name
        if target.exists() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    for target in to.rglob("*"):
        inside = target.relative_to(to)
        if target.is_file() and inside.parts[0] != "build" and str(inside) not in wanted:
            target.unlink()


class Workshop:
    def __init__(self, directory):
        # The same way from one to the other as in the tree itself, so that ccache knows what it compiled there.
        self.tree, self.build = directory, directory / "build"
        self.environment = dict(os.environ, CC="ccache gcc", CXX="ccache g++", CCACHE_NOHASHDIR="1",
                                GYRE_FAULT_SEED="1", GYRE_FAULT_SCHEDULES="2000")
        self.tree.mkdir(parents=True, exist_ok=True)
        copy_tree(self.tree)
        if not (self.build / "build.ninja").exists():
            self.require("meson", "setup", str(self.build), str(self.tree), "-Dfault_points=true")

    def run(self, *command, **options):
        return subprocess.run(command, cwd=self.tree, env=self.environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, **options)

    def require(self, *command):
        done = self.run(*command)
        if done.returncode != 0:
            print(done.stdout[-4000:])
            sys.exit(f"mutants: {command[0]} failed")

    def compile(self, programs):
        return self.run("ninja", "-C", str(self.build), *sorted(set(programs)))

    def fails(self, test):
        """None if the test passes, else how it ended."""
        try:
            done = self.run(str(self.build / test[0]), *test[1:], timeout=TEST_SECONDS)
        except subprocess.TimeoutExpired:
            return f"no end within {TEST_SECONDS} s"
        if done.returncode == 0:
            return None
        if done.returncode < 0:
            return f"signal {-done.returncode}"
        words = ("[  FAILED  ] ", "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8")
        telling = [line for line in done.stdout.splitlines() if line.startswith(words)]
        return telling[0][:100] if telling else f"exit {done.returncode}"


def apply(tree, mutant, reverse=False):
    return subprocess.run(["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-s", "-r", "-"] +
                          (["-R"] if reverse else []), cwd=tree, input=mutant.read_text(), text=True,
                          capture_output=True, check=False)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", action="append", default=[])
    arguments.add_argument("--directory", default=str(ROOT / "build-mutants"))
    chosen = arguments.parse_args()
    mutants = [m for m in sorted((ROOT / "tests/mutants").glob("*.patch"))
               if not chosen.only or any(word in m.name for word in chosen.only)]
    if not mutants:
        sys.exit("mutants: none of that name")
    workshop = Workshop(pathlib.Path(chosen.directory).resolve())
    parsed = {mutant: parse(mutant) for mutant in mutants}

    every_test = []
    for _, tests in parsed.values():
        every_test += [test for test in tests if test not in every_test]
    built = workshop.compile([test[0] for test in every_test])
    if built.returncode != 0:
        print(built.stdout[-4000:])
        sys.exit("mutants: the tree as it is does not build")
    for test in every_test:
        how = workshop.fails(test)
        if how is not None:
            sys.exit(f"mutants: {' '.join(test)} fails on the tree as it is: {how}")

    survived = 0
    for mutant, (what, tests) in parsed.items():
        begun = time.monotonic()
        applied = apply(workshop.tree, mutant)
        caught = None
        if applied.returncode != 0:
            result = "DOES NOT APPLY: make it anew for the code as it is"
        else:
            result = "SURVIVED"
            for test in tests:
                built = workshop.compile([test[0]])
                if built.returncode != 0:
                    result = "DOES NOT COMPILE\n" + built.stdout[-2000:]
                    break
                caught = workshop.fails(test)
                if caught is not None:
                    result = f"caught by {pathlib.Path(test[0]).name}: {caught}"
                    break
            apply(workshop.tree, mutant, reverse=True)
        survived += caught is None
        print(f"{mutant.stem:42} {time.monotonic() - begun:6.1f} s  {result}", flush=True)
        if caught is None:
            print(f"    {what}")
    print(f"{len(mutants) - survived} passed, {survived} failed, 0 skipped")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
