#!/usr/bin/env python3
"""Applies every mutant to a copy of the tree, and requires that a test catches it.

A mutant is a patch: what it breaks, then a line `Test: PROGRAM [ARGUMENT…]` for each test program that
must fail on it (one that fails is enough, in their order), then the difference. With a line `Verdict: INVARIANT`
the history checker must name that one: such a mutant shows that its verdicts can be trusted. One that no longer
applies, that does not compile, or that no test catches fails the run; so does a test that fails on the tree as
it is, because it would catch anything.

Several are under way at once, each in a copy of its own.

run.py [--only WORD]… [--jobs N] [--directory DIRECTORY]
"""
import argparse
import concurrent.futures
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEST_SECONDS = 600
# Of faults. For a mutant all single ones and some pairs: few of them may show it. For the tree as it is few: it has
# usually just passed far more.
MUTANT_SCHEDULES, TREE_SCHEDULES = 4400, 100


def is_verdict(line):
    return re.match(r"I\d+ ", line) is not None


def parse(path):
    what, tests, verdict = [], [], None
    for line in path.read_text().splitlines():
        if line.startswith("--- "):
            break
        if line.startswith("Test: "):
            tests.append(line.removeprefix("Test: ").split())
        elif line.startswith("Verdict: "):
            verdict = line.removeprefix("Verdict: ")
        elif line:
            what.append(line)
    return " ".join(what), tests, verdict


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
    """A copy of the tree, and a build of it."""

    def __init__(self, directory):
        # The same way from one to the other as in the tree itself, so that ccache knows what it compiled there.
        self.tree, self.build = directory, directory / "build"
        self.environment = dict(os.environ, CC="ccache gcc", CXX="ccache g++", CCACHE_NOHASHDIR="1",
                                GTEST_BRIEF="1", GTEST_FAIL_FAST="1")
        self.environment.setdefault("GYRE_FAULT_SEED", "1")
        # How long the run around this one takes is not how long a mutant's test may take.
        for name in ("GYRE_FAULT_MINUTES", "GYRE_FAULT_SCHEDULE", "RC_PARAMS"):
            self.environment.pop(name, None)
        # Sequences draw from the seed that is printed first, so that a mutant that survives does so again; nobody needs
        # the smallest case that shows it.
        self.environment["RC_PARAMS"] = f"seed={self.environment['GYRE_FAULT_SEED']} noshrink=1"

    def prepare(self):
        self.tree.mkdir(parents=True, exist_ok=True)
        copy_tree(self.tree)
        if not (self.build / "build.ninja").exists():
            self.require("meson", "setup", str(self.build), str(self.tree), "-Dfault_points=true")

    def copy_to(self, directory):
        """Another one as far as this one; nothing is built again there, because times stay."""
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self.tree, directory, symlinks=True)
        return Workshop(directory)

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

    def fails(self, test, schedules, verdict=None):
        """None if the test passes, else how it ended, if possible with that verdict. Raises TimeoutExpired: that says
        nothing either way."""
        self.environment["GYRE_FAULT_SCHEDULES"] = str(schedules)
        done = self.run(str(self.build / test[0]), *test[1:], timeout=TEST_SECONDS)
        if done.returncode == 0:
            return None
        if done.returncode < 0:
            return f"signal {-done.returncode}"
        telling = [line for line in done.stdout.splitlines() if is_verdict(line) or line.startswith("[  FAILED  ] ")]
        telling.sort(key=lambda line: verdict is None or not line.startswith(verdict + " "))
        return telling[0][:100] if telling else f"exit {done.returncode}"


def apply(tree, mutant, reverse=False):
    return subprocess.run(["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-s", "-r", "-"] +
                          (["-R"] if reverse else []), cwd=tree, input=mutant.read_text(), text=True,
                          capture_output=True, check=False)


def catch(workshop, mutant, tests, verdict):
    """Whether a test fails on the mutant, and what there is to say about that."""
    if apply(workshop.tree, mutant).returncode != 0:
        return False, "DOES NOT APPLY: make it anew for the code as it is"
    try:
        for test in tests:
            built = workshop.compile([test[0]])
            if built.returncode != 0:
                return False, "DOES NOT COMPILE\n" + built.stdout[-2000:]
            how = workshop.fails(test, MUTANT_SCHEDULES, verdict)
            if how is not None:
                if verdict is not None and not how.startswith(verdict + " "):
                    return False, f"NOT CALLED {verdict}: {how}"
                return True, f"caught by {pathlib.Path(test[0]).name}: {how}"
        return False, "SURVIVED"
    except subprocess.TimeoutExpired:
        return False, f"NO END within {TEST_SECONDS} s"
    finally:
        apply(workshop.tree, mutant, reverse=True)


def check_tree(workshop, tests):
    built = workshop.compile([test[0] for test in tests])
    if built.returncode != 0:
        print(built.stdout[-4000:])
        sys.exit("mutants: the tree as it is does not build")
    for test in tests:
        try:
            how = workshop.fails(test, TREE_SCHEDULES)
        except subprocess.TimeoutExpired:
            how = f"no end within {TEST_SECONDS} s"
        if how is not None:
            sys.exit(f"mutants: {' '.join(test)} fails on the tree as it is: {how}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--only", action="append", default=[])
    arguments.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    arguments.add_argument("--directory", default=str(ROOT / "build-mutants"))
    chosen = arguments.parse_args()
    mutants = [m for m in sorted((ROOT / "tests/mutants").glob("*.patch"))
               if not chosen.only or any(word in m.name for word in chosen.only)]
    if not mutants:
        sys.exit("mutants: none of that name")
    directory = pathlib.Path(chosen.directory).resolve()
    parsed = {mutant: parse(mutant) for mutant in mutants}
    every_test = []
    for _, tests, _ in parsed.values():
        every_test += [test for test in tests if test not in every_test]

    begun = time.monotonic()
    first = Workshop(directory / "1")
    first.prepare()
    check_tree(first, every_test)
    free = queue.SimpleQueue()
    free.put(first)
    for number in range(2, min(chosen.jobs, len(mutants)) + 1):
        free.put(first.copy_to(directory / str(number)))
    print(f"{'the tree as it is':42} {time.monotonic() - begun:6.1f} s  built, and passes {len(every_test)} tests",
          flush=True)

    def run(mutant):
        workshop = free.get()
        mutant_begun = time.monotonic()
        what, tests, verdict = parsed[mutant]
        caught, result = catch(workshop, mutant, tests, verdict)
        print(f"{mutant.stem:42} {time.monotonic() - mutant_begun:6.1f} s  {result}" +
              ("" if caught else f"\nFAILED mutant {mutant.stem}: {what}"), flush=True)
        free.put(workshop)
        return caught

    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        caught = sum(pool.map(run, mutants))
    print(f"{caught} of {len(mutants)} mutants caught, in {time.monotonic() - begun:.0f} s")
    return 0 if caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
