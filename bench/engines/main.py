# SPDX-License-Identifier: Apache-2.0
"""What does publishing cost an engine, beside its own ZeroMQ publisher, and when is it seen?"""

import os
import sys

import parts
import rows
import ways

QUESTION = (
    "What does publishing cost an engine, beside its own ZeroMQ publisher, and when is it seen?"
)
GAP_NS = 2_000_000
RANKS = 8
SKIPPED = 77
KINDS = {
    "store8": "store of 8",
    "store40": "store of 40",
    "removed256": "256 removals",
}
# Whose figures: what it is called, and what is said of it.
WHOSE = {
    "floor": "objects read only",
    "ringdex": "ringdex follow beside",
    "spin": "ringdex follow beside, which spins",
    "none": "nobody beside",
    "stalled": "a follower that is stopped",
    "dead": "a follower that was killed",
    "zeromq": "ZeroMQ, a subscriber that decodes",
    "zeromq-none": "ZeroMQ, nobody",
    "zeromq-stalled": "ZeroMQ, a subscriber that is stopped",
    "ringdex-sglang": "SGLang's, ringdex follow beside",
    "zeromq-sglang": "SGLang's ZeroMQ, a subscriber that decodes",
}
SMOKED = ("floor", "ringdex", "stalled", "dead", "zeromq")  # an interpreter each costs CI
MODES = {
    "spin": "the router spins",
    "sleep": "the router sleeps",
    "busy": "an interpreter that computes",
}


def us(values, p):
    return rows.percentile(values, p) / 1e3


def make_ways(setting, has_peer):
    found = {
        "floor": lambda: ways.Walk(setting),
        "none": lambda: ways.Ringdex(setting, "none", None),
        "ringdex": lambda: ways.Ringdex(setting, "live"),
        "spin": lambda: ways.Ringdex(setting, "spin", options=["--rest=spin"]),
        "stalled": lambda: ways.Ringdex(setting, "stalled", "stopped"),
        "dead": lambda: ways.Ringdex(setting, "dead", "killed"),
    }
    if has_peer:
        found["zeromq"] = lambda: ways.ZeromqRouter(setting)
        found["zeromq-none"] = lambda: ways.ZeromqAlone(setting)
        found["zeromq-stalled"] = lambda: ways.ZeromqStalled(setting)
        found["ringdex-sglang"] = lambda: ways.Ringdex(setting, "sglang", engine="sglang")
        found["zeromq-sglang"] = lambda: ways.ZeromqRouter(setting, engine="sglang")
    wanted = SMOKED if setting.is_smoke else found
    return {whose: make() for whose, make in found.items() if whose in wanted}


class Calls:
    """What a call takes of the engine's thread, and of all processors."""

    def __init__(self, setting, has_peer):
        self._ways, self._pace = make_ways(setting, has_peer), ways.Pace(setting)
        self._slices = {(kind, whose): [] for kind in KINDS for whose in self._ways}

    def take(self, count):
        """A slice of each, in turn."""
        for kind in KINDS:
            pace = self._pace.slice(kind, count, GAP_NS)["cpu"]
            for whose, way in self._ways.items():
                found = way.slice(kind, count, GAP_NS)
                found["sender"] = max(found["cpu"] - pace, 0) / count / 1e3
                found["all"] = found["sender"] + found["receiver"] / count / 1e3
                self._slices[kind, whose].append(found)

    def _rows(self, report, kind, name, what, unit, of):
        floor = f"engines.{kind}.{name}.floor"
        for whose in sorted(self._ways, key=list(WHOSE).index):
            report.row(
                f"engines.{kind}.{name}.{whose}",
                f"{KINDS[kind]}, {what}: {WHOSE[whose]}",
                unit,
                [of(found) for found in self._slices[kind, whose]],
                None if whose == "floor" else floor,
            )

    def give(self, report):
        for kind in KINDS:
            for p in (50, 99):
                self._rows(report, kind, f"call.p{p}", f"the call, p{p}", "us",
                           lambda found, p=p: us(found["takes"], p))
            self._rows(report, kind, "cpu", "CPU of both sides", "us",
                       lambda found: found["all"])
            self._rows(report, kind, "sender", "CPU of the engine", "us",
                       lambda found: found["sender"])
        wrong = {w: way.engine.ask(do="stats")["wrong"] for w, way in self._ways.items()}
        del wrong["floor"]  # it publishes nothing, and so may say nothing
        report.check(not any(wrong.values()), f"all is readable, all ranks exact: {wrong}")


class Visible:
    """From the engine's call until a router sees the batch."""

    def __init__(self, setting, has_peer):
        self._ways = {}
        for mode in MODES:
            self._ways[mode, "ringdex"] = ways.RingdexRouter(setting, mode)
            if has_peer:
                self._ways[mode, "zeromq"] = ways.ZeromqRouter(setting, mode)
        self._slices = {key: [] for key in self._ways}
        self._missed = 0

    def take(self, count):
        for key, way in self._ways.items():
            found = way.slice("store8", count, GAP_NS)
            self._missed += count - len(found["seen"])
            pairs = zip(found["seen"], found["begins"])
            self._slices[key].append([seen - begin for seen, begin in pairs])

    def give(self, report):
        for (mode, whose), slices in self._slices.items():
            for p in (50, 99):
                report.row(
                    f"engines.visible.{mode}.p{p}.{whose}",
                    f"call until seen, p{p}: {whose}, {MODES[mode]}",
                    "us",
                    [us(values, p) for values in slices],
                )
        report.check(not self._missed, f"every batch is seen: {self._missed} are not")


class Ranks:
    """Eight ranks, a batch each every 2 ms, beside `ringdex follow` as it is by default."""

    def __init__(self, setting, _):
        self._alone = ways.Ringdex(setting, "ranks", ranks=RANKS)
        self._looked = ways.RingdexRouter(setting, "look", ranks=RANKS)
        self._bells, self._cpu, self._visible, self._idle, self._missed = [], [], [], [], 0

    def take(self, count):
        count, gap = count * RANKS, GAP_NS // RANKS
        bells = self._alone.engine.ask(do="stats")["bells"]
        found = self._alone.slice("store8", count, gap)
        bells = self._alone.engine.ask(do="stats")["bells"] - bells
        self._bells.append(100 * bells / count)
        self._cpu.append(100 * found["receiver"] / (count * gap))
        found = self._looked.slice("store8", count, gap)
        self._missed += count - len(found["seen"])
        times = [seen - begin for seen, begin in zip(found["seen"], found["begins"])]
        self._visible.append(times)
        self._idle.append(self._alone.idle(count * gap / 1e9))

    def give(self, report):
        of = "8 ranks, a batch each every 2 ms"
        report.row("engines.ranks8.bells.ringdex", f"{of}: batches that ring", "%", self._bells)
        report.row("engines.ranks8.cpu.ringdex", f"{of}: ringdex follow, of a core", "%", self._cpu)
        for p in (50, 99):
            report.row(
                f"engines.ranks8.visible.p{p}.ringdex",
                f"{of}: call until looked up, p{p}",
                "us",
                [us(values, p) for values in self._visible],
            )
        report.row("engines.idle.cpu.ringdex", "ringdex follow, 8 idle ranks", "%", self._idle)
        report.check(not self._missed, f"every batch of 8 ranks is seen: {self._missed} are not")


PARTS = {"calls": Calls, "visible": Visible, "ranks": Ranks}


def measure(setting, report, has_peer, only, rounds, count):
    every = [make(setting, has_peer) for name, make in PARTS.items() if only in (None, name)]
    for _ in range(rounds):
        for part in every:
            part.take(count)
    for part in every:
        part.give(report)
    report.note(
        f"{count} batches a slice, one every 2 ms; no process is pinned. The call: wall time of the "
        "engine's thread in publish(batch)"
    )
    report.note(
        "CPU: all threads of the engine's process, less what the pace alone takes, and, for both "
        "sides, all threads of ringdex follow, or of the subscriber; without one, none"
    )


def main():
    own = [
        ("--bin", "where the programs are"),
        ("--walk", "where the package is that only reads"),
        ("--wheels", "where the engines' modules are"),
        ("--only", f"one of {', '.join(PARTS)}"),
    ]
    options = rows.options(QUESTION, own)
    has_peer = bool(options.wheels) and os.path.isdir(options.wheels)
    if not has_peer and options.length != "smoke":
        print(
            "bench-engines: skipped: no wheels of engines here: ./dev bench --peers fetches them",
            file=sys.stderr,
        )
        return SKIPPED
    rounds = options.rounds or {"full": 5, "quick": 3, "smoke": 1}[options.length]
    count = {"full": 250, "quick": 125, "smoke": 3}[options.length]
    report = rows.Report("engines", QUESTION, options.length)
    with parts.scratch(options.scratch) as folder:
        wheels = options.wheels if has_peer else ""
        setting = ways.Setting(options.bin, options.walk, wheels, folder)
        setting.is_smoke = options.length == "smoke"
        measure(setting, report, has_peer, options.only, rounds, count)
    if not has_peer:
        report.note("without wheels: events of a stand-in, and no peer")
    return report.end(options.json)


if __name__ == "__main__":
    sys.exit(main())
