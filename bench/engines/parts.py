# SPDX-License-Identifier: Apache-2.0
"""Processes of a run, and where they work. Whatever happens to the benchmark, they end with it and
its directory goes."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1
PATIENCE_S = 240  # on the busiest machine

_running = []


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def scratch(parent):
    """A directory. A guardian in a session of its own waits until nobody holds the pipe."""
    folder = tempfile.mkdtemp(prefix="rdx-bench-", dir=parent)
    end, held = os.pipe()
    guardian = os.fork()
    if guardian == 0:
        os.setsid()
        os.close(held)
        os.read(end, 1)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)
    os.close(end)
    try:
        yield folder
    finally:
        for process in list(_running):
            process.end()
        os.close(held)
        os.waitpid(guardian, 0)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """One that runs beside."""

    def __init__(self, arguments, **options):
        self._process = subprocess.Popen(arguments, preexec_fn=_die_with_parent, **options)
        _running.append(self)

    def cpu_ns(self):
        """Of all its threads, since it began."""
        return time.clock_gettime_ns((~self._process.pid << 3) | 2)

    def signal(self, number):
        os.kill(self._process.pid, number)

    def end(self):
        self._process.kill()
        self._process.wait()
        _running.remove(self)


class Program(Process):
    """One of this folder's, which takes jobs."""

    def __init__(self, name, config, python_path=None):
        environment = dict(os.environ)
        if python_path:
            environment["PYTHONPATH"] = python_path
        super().__init__(
            [sys.executable, "-B", os.path.join(HERE, name), json.dumps(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.answer()

    def begin(self, **job):
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args[2]} ended")
        return json.loads(line)

    def ask(self, **job):
        self.begin(**job)
        return self.answer()


def follow(bin_dir, folder, *options):
    """`ringdex follow` of a namespace."""
    return Process(
        [os.path.join(bin_dir, "ringdex-follow"), "--dir", folder, *options],
        stdout=subprocess.DEVNULL,
    )
