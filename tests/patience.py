# SPDX-License-Identifier: Apache-2.0
"""What tests of running programs share: they wait for what must come, and leave no process."""
import ctypes
import signal
import time


def die_with_parent():
    """In a child before it runs: a test that is killed leaves no process."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wait_until(condition, what, patience_s):
    """Wait for what must come; on no time does a result depend."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        got = condition()
        if got:
            return got
        time.sleep(0.01)
    raise AssertionError(what)
