# SPDX-License-Identifier: Apache-2.0
"""An engine with its own publisher, and who receives: the ways that are compared. A slice of each is
taken in turn with those of the others, all the same batches."""

import os
import signal
import time

import parts

MODEL = "bench"
BLOCKS = 1 << 17
SETTLE_S = 0.05
IDLE_AFTER_S = 0.2  # it naps no longer


def ringdex_endpoint(folder, worker=1):
    return (
        f"ringdex:?instance=http://bench&model={MODEL}&worker={worker}"
        f"&blocks={BLOCKS}&block_tokens=16&dir={folder}"
    )


class Way:
    """What is the same of all: `endpoints`, one a publisher; "" publishes nothing. `engine`: whose
    objects and publishers."""

    stores_before = True  # what is removed was stored

    def __init__(self, setting, endpoints, python_path=None, engine="vllm"):
        self.setting = setting
        config = {"wheels": setting.wheels, "engine": engine, "endpoints": endpoints}
        self.engine = parts.Program("worker.py", config, python_path)

    def _begin(self):
        """Who receives is there, before the batches are prepared."""

    def _settle(self):
        """Who receives has what was published until now."""

    def _before(self):
        """At the last moment before the batches."""

    def _after(self):
        """The receiver may go."""

    def receiver_ns(self):
        """CPU of who receives, so far."""
        return 0

    def slice(self, kind, count, gap_ns):
        """The engine's answer, with the receiver's CPU."""
        self._begin()
        self.engine.ask(do="prepare", kind=kind, count=count, stores_before=self.stores_before)
        self._settle()
        self._before()
        used = self.receiver_ns()
        found = self.engine.ask(do="go", gap_ns=gap_ns)
        found["receiver"] = self.receiver_ns() - used
        self._after()
        return found


class Pace(Way):
    """Nothing is published."""

    stores_before = False

    def __init__(self, setting):
        super().__init__(setting, [""])


class Walk(Way):
    """The floor: the objects are read."""

    stores_before = False

    def __init__(self, setting):
        folder = setting.folder("walk")
        super().__init__(setting, [ringdex_endpoint(folder)], setting.walk)


class Ringdex(Way):
    """With `ringdex follow` beside: live, stopped, killed, or None. `ranks` publish in turn."""

    def __init__(self, setting, name, follower="live", options=(), ranks=1, engine="vllm"):
        self._dir = setting.folder(name)
        self._follower, self._options, self._process = follower, options, None
        super().__init__(setting, [ringdex_endpoint(self._dir)] * ranks, engine=engine)

    def _begin(self):
        if self._follower:
            self._process = parts.follow(self.setting.bin, self._dir, *self._options)

    def _settle(self):
        time.sleep(SETTLE_S)
        if self._process:
            self._wait_until_quiet()

    def _wait_until_quiet(self):
        """It applied what was prepared: it naps, or spins as fast as it can."""
        import ringdex

        until = time.monotonic() + parts.PATIENCE_S
        while time.monotonic() < until:
            try:
                with ringdex.Index(MODEL, dir=self._dir) as index:
                    workers = index.workers()
            except ringdex.Error:
                workers = []
            if workers and all(w.state == "EXACT" for w in workers):
                break
            time.sleep(0.01)
        time.sleep(SETTLE_S)

    def _before(self):
        if self._follower == "stopped":
            self._process.signal(signal.SIGSTOP)
        elif self._follower == "killed":
            self._process.end()
            self._process = None

    def receiver_ns(self):
        return self._process.cpu_ns() if self._process else 0

    def _after(self):
        if self._process:
            self._process.end()
            self._process = None

    def idle(self, seconds):
        """A follower's part of a processor while nothing is published, in percent."""
        self._begin()
        self._settle()
        time.sleep(IDLE_AFTER_S)
        used, begin = self.receiver_ns(), time.perf_counter_ns()
        time.sleep(seconds)
        used = 100 * (self.receiver_ns() - used) / (time.perf_counter_ns() - begin)
        self._after()
        return used


class Router(Way):
    """Someone who says when each batch could be seen: `seen` of the answer."""

    def __init__(self, setting, endpoints, config, engine="vllm"):
        super().__init__(setting, endpoints, engine=engine)
        self.router = parts.Program("router.py", config)
        self._seen = []
        until = time.monotonic() + parts.PATIENCE_S
        while not self.router.ask(do="settle") and time.monotonic() < until:
            self.engine.ask(do="prepare", kind="store8", count=0, stores_before=False)

    def _settle(self):
        self.router.ask(do="settle")

    def _before(self):
        hashes = self.engine.ask(do="local_hashes")
        self.router.ask(do="watch", hashes=hashes)

    def _after(self):
        self._seen = self.router.answer()

    def receiver_ns(self):
        return self.router.cpu_ns()

    def slice(self, kind, count, gap_ns):
        return {**super().slice(kind, count, gap_ns), "seen": self._seen}


class RingdexRouter(Router):
    """`mode`: spin and sleep maintain the index; beside busy and look `ringdex follow` does. `ranks`
    of one worker publish in turn."""

    def __init__(self, setting, mode, ranks=1):
        folder = setting.folder(mode)
        own = mode in ("spin", "sleep")
        self._process = None if own else parts.follow(setting.bin, folder)
        super().__init__(
            setting, [ringdex_endpoint(folder)] * ranks, {"mode": mode, "dir": folder}
        )


class ZeromqRouter(Router):
    """The engine's own publisher, and a subscriber that decodes."""

    stores_before = False

    def __init__(self, setting, mode="sleep", engine="vllm"):
        port = parts.free_port()
        config = {"mode": mode, "wheels": setting.wheels, "engine": engine}
        config["endpoint"] = f"tcp://127.0.0.1:{port}"
        super().__init__(setting, [f"tcp://*:{port}"], config, engine)


class ZeromqStalled(ZeromqRouter):
    """It is stopped."""

    def _before(self):
        self.router.signal(signal.SIGSTOP)

    def _after(self):
        self.router.signal(signal.SIGCONT)


class ZeromqAlone(Way):
    """The engine's own publisher, and nobody."""

    stores_before = False

    def __init__(self, setting):
        super().__init__(setting, [f"tcp://*:{parts.free_port()}"])


class Setting:
    """Where everything lies."""

    def __init__(self, bin_dir, walk, wheels, scratch):
        self.bin, self.walk, self.wheels, self._scratch = bin_dir, walk, wheels, scratch
        self._count, self.is_smoke = 0, False

    def folder(self, name):
        self._count += 1
        return os.path.join(self._scratch, f"{name}-{self._count}")
