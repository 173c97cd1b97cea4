"""Calls that are given up: what they return and raise, and what is left of those that go on."""

import subprocess
import sys
import threading
import time

import pytest

from autola_analysis.core.patience import within


def test_what_a_call_returns_or_raises_is_handed_on() -> None:
    assert within(1, lambda: 7) == 7
    with pytest.raises(KeyError, match="k"):
        within(1, lambda: {}["k"])
    with pytest.raises(SystemExit):
        within(1, sys.exit)


def test_a_call_is_given_up() -> None:
    release = threading.Event()
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="not done after 1 seconds"):
        within(1, release.wait)
    assert time.monotonic() - start < 30
    release.set()


def test_a_call_that_goes_on_keeps_no_process_from_ending() -> None:
    script = "import time; from autola_analysis.core.patience import within; within(1, lambda: time.sleep(10**6))"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert process.returncode == 1
    assert process.stderr.endswith("TimeoutError: not done after 1 seconds\n")
