#!/usr/bin/env python3
"""What scripts/gpu-check does can be tested without a GPU: with a program that says what a test wants in
place of the one that it builds.

Usage: gpu_check_test.py SOURCE_ROOT
"""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

SCRIPT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else ".").resolve() / "scripts" / "gpu-check"


def load():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    loader.exec_module(module)
    return module


gpu_check = load()


def measured(route, seconds, batch=128):
    return {"name": "pass", "kind": "page", "route": route, "bytes": 1 << 30, "row_bytes": 4096, "rows_per_page": 1,
            "batch": batch, "seconds": seconds, "queries_per_second": batch / seconds}


def large(kind, batch, of_ceiling, rate=0, size=64 << 30, row_bytes=4096):
    """A pass over a table as large as those of the targets."""
    return {"name": "pass", "kind": kind, "route": "and-xor", "bytes": size, "row_bytes": row_bytes,
            "rows_per_page": 4096 // row_bytes, "batch": batch, "seconds": 1, "queries_per_second": rate,
            "pass_of_read_ceiling": of_ceiling}


# Lines of a program's whose benchmarks measure all that there is a target for.
ALL_TARGETS = "if [ $1 = bench ]; then\n" + "".join(
    f"echo '{json.dumps(one)}'\n"
    for one in (large("page", 1, 1), large("page", 128, 1, rate=1000), large("row", 1, 1, row_bytes=32),
                large("row", 1, 1, row_bytes=36))) + "fi\n"


class GpuCheckTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def program(self, text):
        path = self.folder / "program"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return str(path)

    def check(self, text, seconds=60, suite=None):
        return gpu_check.check(self.program(text), None, suite, gpu_check.Time(seconds))

    def step(self, found, name):
        return next(step for step in found["steps"] if step["step"] == name)

    @unittest.skipUnless(gpu_check.gpus_that_the_driver_shows() == 0, "this machine has a GPU, or a driver that hangs")
    def test_without_a_gpu_it_says_so_in_one_sentence_and_builds_nothing(self):
        build = self.folder / "build"
        done = subprocess.run([sys.executable, str(SCRIPT), "--build", str(build)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"^gpu-check: this machine shows no GPU [^\n]+\n$")
        self.assertFalse(build.exists())

    def test_kernels_need_no_header_that_a_bundle_carries(self):
        # nvcc is not told where the bundle is. What CUDA's own headers include is not of interest here.
        compiler = shutil.which(os.environ.get("CXX", "").split(" ")[-1] or "c++")
        if compiler is None:
            self.skipTest("no C++ compiler")
        for kernels in ("launch.cu", "check/check_kernels.cu"):
            done = subprocess.run([compiler, "-std=c++20", "-x", "c++", "-M", "-MG", f"-I{SCRIPT.parent.parent}",
                                   str(SCRIPT.parent.parent / "backends" / "cuda" / kernels)],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            needed = done.stdout.split()
            self.assertTrue(any(header.endswith(".hpp") for header in needed), needed)
            self.assertEqual([header for header in needed if re.search(r"(^|/)tl/", header)], [])

    def test_a_bundle_has_the_header_and_the_suite_where_they_are(self):
        bundle, build = self.folder / "bundle", self.folder / "build"
        with self.assertRaisesRegex(gpu_check.Unusable, "tl/expected.hpp is missing"):
            gpu_check.header_folder(bundle, elsewhere=[str(self.folder)])
        (bundle / "tl").mkdir(parents=True)
        (bundle / "tl" / "expected.hpp").write_text("// a header\n")
        without_commit = unittest.mock.patch.object(gpu_check, "commit_here", return_value="")
        with without_commit:
            self.assertEqual(len(gpu_check.make_bundle(bundle, build)), 1)
            self.assertIsNone(gpu_check.commit_of(bundle))
        suite = build / "tests" / "conformance" / gpu_check.SUITE
        suite.parent.mkdir(parents=True)
        suite.write_text("a program")
        with unittest.mock.patch.object(gpu_check, "commit_here", return_value="0123456789ab+changes"):
            self.assertEqual(len(gpu_check.make_bundle(bundle, build)), 3)
        # Where it is carried to, git knows nothing.
        with without_commit:
            self.assertEqual(gpu_check.commit_of(bundle), "0123456789ab+changes")
        self.assertEqual((bundle / gpu_check.SUITE).read_text(), "a program")
        self.assertEqual(gpu_check.header_folder(bundle), bundle)

    def test_all_is_well_if_every_step_is(self):
        bench = "\n".join(f"echo '{json.dumps(measured(route, seconds))}'"
                          for route, seconds in (("and-xor", 0.2), ("tensor-bits", 0.4), ("tensor-bytes", 0.1)))
        found = self.check(f"[ $1 = bench ] || exit 0\n{bench}")
        self.assertTrue(found["well"])
        self.assertEqual([step["step"] for step in found["steps"]],
                         ["conformance suite", "compute-sanitizer", "answers, every kernel", "answers, small tables", "benchmarks that matter most",
                          "answers, larger tables", "other benchmarks"])
        self.assertEqual(len(found["steps"][-1]["results"]), 3)
        self.assertEqual([(one["route"], one["second"], one["times_as_fast"]) for one in found["routes_that_won"]],
                         [("tensor-bytes", "and-xor", 2.0)])

    def test_what_was_left_out_is_well_but_not_complete(self):
        def complete(text):
            # As if nothing of what this machine lacks were missing.
            found = gpu_check.check(self.program(ALL_TARGETS + text), "/bin/true", "/bin/true", gpu_check.Time(60))
            self.assertTrue(found["well"])
            return found["complete"]

        self.assertTrue(complete("exit 0"))
        self.assertFalse(complete("""[ $1 = bench ] && echo '{"name": "pass", "skipped": "time was up"}'; exit 0"""))
        self.assertFalse(complete("""[ $1 = bench ] && echo '{"name": "largest_table", "bytes": 1}'; exit 0"""))
        # A step that was not there to be run.
        self.assertFalse(self.check(ALL_TARGETS)["complete"])
        # A target that was not measured.
        self.assertFalse(gpu_check.check("/bin/true", "/bin/true", "/bin/true", gpu_check.Time(60))["complete"])

    def test_targets_are_reached_missed_or_not_measured(self):
        def states(passes):
            return [(one["value"], one["state"]) for one in gpu_check.targets(passes)]

        nothing = (None, "not measured")
        self.assertEqual(states([]), [nothing] * 3)
        # Over a smaller table nothing is shown.
        self.assertEqual(states([large("page", 1, 0.95, size=8 << 30), {"name": "pass", "skipped": "time was up"}]),
                         [nothing] * 3)
        self.assertEqual(states([large("page", 1, 0.9), large("page", 1, 0.8)])[0], (0.9, "reached"))
        self.assertEqual(states([large("page", 1, 0.89)])[0], (0.89, "missed"))
        rows = [large("row", 1, 0.8, row_bytes=32), large("row", 1, 0.74, row_bytes=36)]
        self.assertEqual(states(rows)[1], (0.74, "missed"))
        self.assertEqual(states(rows[:1])[1], nothing)
        # Whichever route is the fastest; pages of several rows are something else.
        batches = [large("page", 128, 0.1, rate=rate) for rate in (500, 601)]
        self.assertEqual(states(batches)[2], (601, "reached"))
        self.assertEqual(states([large("page", 128, 0.1, rate=700, row_bytes=32)])[2], nothing)

    def test_a_card_that_the_sanitizer_does_not_know_is_skipped_not_failed(self):
        def sanitized(text):
            sanitizer = self.folder / "sanitizer"
            sanitizer.write_text("#!/bin/sh\n" + text)
            sanitizer.chmod(0o755)
            found = gpu_check.check("/bin/true", str(sanitizer), None, gpu_check.Time(60))
            self.assertFalse(found["complete"])
            return self.step(found, "compute-sanitizer racecheck")["status"], found["well"]

        message = "echo '========= Error: Device not supported. Please refer to the list of supported devices'\n"
        skipped = "skipped: compute-sanitizer does not support this device"
        for status in (0, 1):
            self.assertEqual(sanitized(f"{message}exit {status}"), (skipped, True))
        self.assertEqual(sanitized("echo '========= ERROR SUMMARY: 1 error'\nexit 3"), (3, False))
        self.assertEqual(sanitized(message + """echo '{"name": "kernels", "wrong": 1}'\nexit 1"""), (1, False))

    def test_a_wrong_answer_is_not_well(self):
        self.assertFalse(self.check("[ $1 = bench ] || exit 1")["well"])
        self.assertFalse(self.check("""[ $1 = bench ] && echo '{"name": "decodes", "right": false}'; exit 0""")["well"])
        self.assertTrue(self.check("""[ $1 = bench ] && echo '{"name": "decodes", "right": true}'; exit 0""")["well"])

    def test_a_suite_that_was_carried_is_run(self):
        found = self.check("exit 0", suite="/bin/false")
        self.assertEqual(self.step(found, "conformance suite")["status"], 1)
        self.assertFalse(found["well"])
        found = self.check("exit 0", suite=str(self.folder / "nothing"))
        self.assertEqual(self.step(found, "conformance suite")["status"], "did not start")
        self.assertFalse(found["well"])

    def test_a_suite_that_skips_everything_has_shown_nothing(self):
        suite = self.folder / "suite"
        suite.write_text("#!/bin/sh\necho '[  PASSED  ] 0 tests.'\necho '[  SKIPPED ] 15 tests, listed below:'\n")
        suite.chmod(0o755)
        found = self.check("exit 0", suite=str(suite))
        self.assertEqual(self.step(found, "conformance suite")["status"], "ran no test")
        self.assertFalse(found["well"])

    def test_what_was_measured_before_time_was_up_is_kept(self):
        line = json.dumps(measured("and-xor", 0.2))
        found = self.check(f"[ $1 = bench ] || exit 0\necho '{line}'\nprintf '{{\"cut'\nexec sleep 30", seconds=gpu_check.GRACE + 3)
        step = self.step(found, "benchmarks that matter most")
        self.assertEqual(step["status"], "timed out")
        self.assertEqual(step["results"][0]["route"], "and-xor")
        self.assertEqual(step["results"][1], {"unreadable": '{"cut', "right": False})
        # Nothing is begun when time is up, and what was not shown is not well.
        self.assertEqual(self.step(found, "other benchmarks")["status"], "did not run: time was up")
        self.assertFalse(found["well"])

    def test_a_child_that_hangs_is_killed_with_all_that_it_started(self):
        # The child of a child keeps what they print to open, as a compiler behind ninja would.
        begun = time.monotonic()
        done = gpu_check.run([self.program("sleep 60 &\necho $!\nwait")], 1)
        self.assertLess(time.monotonic() - begun, 30)
        self.assertEqual(done.status, "timed out")
        state = pathlib.Path(f"/proc/{int(done.out)}/stat")
        for _ in range(100):  # until whoever inherits it has noticed
            if not state.exists() or state.read_text().split()[2] == "Z":
                return
            time.sleep(0.1)
        self.fail("the grandchild lives")

    def run_all(self, tools, gpus=1):
        """With programs of the test's in place of tools; what is in the file."""
        folder, path = self.folder / "tools", self.folder / "results.json"
        folder.mkdir()
        for name in ("nvcc", "g++", "meson", "ninja", "nvidia-smi"):
            (folder / name).write_text("#!/bin/sh\n" + tools.get(name, "exit 0") + "\n")
            (folder / name).chmod(0o755)
        build = self.folder / "build"
        (build / "backends" / "cuda" / "check").mkdir(parents=True)
        program = build / "backends" / "cuda" / "check" / "gyre-gpu-check"
        program.write_text("#!/bin/sh\n" + tools.get("program", "exit 0") + "\n")
        program.chmod(0o755)
        begun = time.monotonic()
        with unittest.mock.patch.dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}"), \
                unittest.mock.patch.multiple(gpu_check, gpus_that_the_driver_shows=lambda seconds: gpus, CONFIGURING=1,
                                             BUILDING=1, ASKING=1, sanitizer_here=lambda: None):
            status = gpu_check.run_all(build, self.folder / "bundle", path, gpu_check.Time(gpu_check.GRACE + 6))
        self.assertLess(time.monotonic() - begun, 30)
        found = json.loads(path.read_text())
        self.assertEqual(status, 1 if not found["well"] else 0 if found["complete"] else 3)
        return found

    def test_whatever_hangs_there_are_results_that_say_so(self):
        found = self.run_all({}, gpus=None)
        self.assertEqual(found["steps"], [{"step": "look for a GPU", "status": "the driver did not answer"}])
        self.assertFalse(found["well"])

    def test_a_build_that_hangs_is_in_the_results(self):
        for tool, what in (("meson", "meson could not configure the build"), ("ninja", "the build failed")):
            with self.subTest(tool):
                self.setUp()
                found = self.run_all({tool: "sleep 60"})
                self.assertEqual(found["steps"], [{"step": "build", "status": f"{what}: timed out"}])
                self.assertFalse(found["well"])

    def test_a_gpu_that_hangs_when_it_is_asked_is_in_the_results(self):
        found = self.run_all({"program": "sleep 60"})
        self.assertEqual(found["steps"], [{"step": "ask for the device", "status": "timed out"}])

    def test_all_of_it(self):
        found = self.run_all({"program": "[ $1 = device ] && echo '{\"gpu\": \"a card\"}'; exit 0"})
        self.assertEqual(found["device"], {"gpu": "a card"})
        self.assertTrue(found["well"])
        self.assertFalse(found["complete"])  # without a sanitizer, a suite, or a figure
        self.assertEqual(found["steps"][-1]["step"], "other benchmarks")

    def test_only_what_differs_in_nothing_but_its_route_is_compared(self):
        alone = [measured("and-xor", 0.2, batch=1), measured("tensor-bits", 0.1, batch=8),
                 {"name": "pass", "skipped": "time was up"}, {"name": "ceiling_read"}]
        self.assertEqual(gpu_check.winners(alone), [])
        self.assertEqual(len(gpu_check.winners(alone + [measured("and-xor", 0.3, batch=8)])), 1)
        # The same one measured twice has no rival.
        self.assertEqual(gpu_check.winners(alone + [measured("and-xor", 0.1, batch=1)]), [])


if __name__ == "__main__":
    unittest.main(buffer=True)
