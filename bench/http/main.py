# SPDX-License-Identifier: Apache-2.0
"""What does a question over HTTP cost, beside Dynamo's stand-alone indexer?"""

import json
import os
import subprocess
import sys
import time

import parts
import rows
import servers

QUESTION = (
    "What does a question over HTTP cost, beside Dynamo's stand-alone indexer: the server's CPU, "
    "and until it is answered? And ringdexd beside busy workers, and idle?"
)
KINDS = {"query": "/query", "hash": "/query_by_hash"}
CONNECTIONS = (1, 2)
# Whose figures, in the order in which slices are taken: what is said of it.
WHOSE = {
    "floor": "nothing parsed, TCP",
    "ringdex": "ringdexd, TCP",
    "unix": "ringdexd, Unix socket",
    "dynamo": "Dynamo's, TCP",
}
FIGURES = {
    "cpu": "CPU",
    "p50": "p50",
    "p99": "p99",
}
WORKERS, EVENTS_A_SECOND, QUERIES_A_SECOND = 64, 10_000, 1_000
IDLE_AFTER_S = 0.5  # it naps no longer; one that only shows that this works need not wait
RESTS = {"ringdex": "hybrid", "spin": "spin"}


class Setting:
    def __init__(self, options, folder):
        self.bin, self.folder, self.length = options.bin, folder, options.length
        self.indexer = options.indexer
        self.is_smoke = options.length == "smoke"

    def program(self, name):
        return os.path.join(self.bin, name)

    def pick(self, full, quick, smoke):
        return {"full": full, "quick": quick, "smoke": smoke}[self.length]

    def settle(self):
        """Whoever has nothing to do sleeps."""
        if not self.is_smoke:
            time.sleep(IDLE_AFTER_S)

    def write(self, name, data):
        """A file, and its path."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def load(self, address, request, answer, connections, count, rate=0):
        """What a client found that asks so often."""
        arguments = [self.program("http-load"), address, request, answer, str(connections)]
        run = subprocess.run([*arguments, str(count), str(rate)], stdout=subprocess.PIPE,
                             check=True)
        return json.loads(run.stdout)


def as_bytes(method, path, body):
    text = json.dumps(body, separators=(",", ":")).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text


def percent(used_ns, begin_ns):
    return 100 * used_ns / (time.perf_counter_ns() - begin_ns)


def idle(server, seconds):
    """Its part of a processor while nothing is asked, nor published."""
    used, begin = server.cpu_ns(), time.perf_counter_ns()
    time.sleep(seconds)
    return percent(server.cpu_ns() - used, begin)


class Questions:
    """The same question again and again, to each server in turn."""

    def __init__(self, setting, report):
        self._setting, self._wrong = setting, 0
        self.ringdexd = servers.Ringdexd(setting.bin, os.path.join(setting.folder, "asked"))
        self.ringdexd.fill()
        self._hashes = self.ringdexd.local_hashes()
        self.dynamo = servers.Dynamo(setting.indexer, self._hashes) if setting.indexer else None
        self._check_answers(report)
        self._ways = {}  # by kind and whose: address, request, answer, whose CPU
        for kind, asked in (("query", servers.by_tokens(servers.PROMPT)),
                            ("hash", servers.by_hashes(self._hashes))):
            self._prepare(kind, asked)
        self._values = {}

    def _check_answers(self, report):
        """Of prompts of all lengths, and of such that nobody holds, from somewhere on."""
        prompt, block, wrong, differ, asked = servers.PROMPT, servers.BLOCK_TOKENS, 0, 0, 0
        others = [0] * block
        cases = [(prompt[:length], length // block) for length in (
            0, 1, block - 1, block, block + 1, 100 * block, len(prompt) - 1, len(prompt))]
        cases += [(others + prompt, 0),
                  (prompt[:5 * block] + others + prompt[6 * block:], 5)]
        requests = [(servers.by_tokens(tokens), blocks) for tokens, blocks in cases]
        requests += [(servers.by_hashes(self._hashes[:blocks]), blocks) for _, blocks in cases]
        for request, blocks in requests:
            right, ours = (200, servers.expected(blocks)), self.ringdexd.ask(*request)
            asked, wrong = asked + 1, wrong + (ours != right)
            if self.dynamo:
                differ += not servers.same(ours, self.dynamo.ask(*request))
        report.check(not wrong, f"{asked} questions answered right: {wrong} are not")
        if self.dynamo:
            report.check(not differ, f"and as Dynamo's indexer answers: {differ} are not")

    def _prepare(self, kind, asked):
        setting = self._setting
        data = as_bytes(*asked)
        request = setting.write(f"{kind}.request", data)
        ours = json.dumps(servers.expected(servers.BLOCKS), separators=(",", ":")).encode()
        answer = setting.write(f"{kind}.ringdex", ours)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ours)}\r\n\r\n".encode()
        bare = servers.Bare(setting.bin, len(data), setting.write(f"{kind}.bare", head + ours))
        self._ways[kind] = {
            "floor": (bare.address(), request, answer, bare),
            "ringdex": (self.ringdexd.address(), request, answer, self.ringdexd),
            "unix": (self.ringdexd.unix, request, answer, self.ringdexd),
        }
        if self.dynamo:
            theirs = json.dumps(self.dynamo.ask(*asked)[1]).encode()
            self._ways[kind]["dynamo"] = (
                self.dynamo.address(), request, setting.write(f"{kind}.dynamo", theirs), self.dynamo)

    def take(self, round_number):
        count = self._setting.pick(3000, 1000, 20)
        for kind, ways in self._ways.items():
            for connections in CONNECTIONS:
                order = list(ways)
                for whose in order if round_number % 2 == 0 else reversed(order):
                    address, request, answer, server = ways[whose]
                    used = server.cpu_ns()
                    found = self._setting.load(address, request, answer, connections, count)
                    found["cpu"] = (server.cpu_ns() - used) / found["answers"] / 1e3
                    self._wrong += found["wrong"]
                    for figure in FIGURES:
                        key = kind, connections, figure, whose
                        self._values.setdefault(key, []).append(found[figure])

    def give(self, report):
        for kind, said in KINDS.items():
            for connections in CONNECTIONS:
                for figure, what in FIGURES.items():
                    case = f"http.{kind}.c{connections}.{figure}"
                    for whose in self._ways[kind]:
                        report.row(
                            f"{case}.{whose}",
                            f"{said}, {connections} at once, {what}: {WHOSE[whose]}", "us",
                            self._values[kind, connections, figure, whose],
                            None if whose == "floor" else f"{case}.floor")
        report.check(not self._wrong, f"every answer of a slice is right: {self._wrong} are not")


class Rest:
    """Idle, and memory, with the prompt held; of both."""

    def __init__(self, setting, questions):
        self._setting, self._seconds = setting, setting.pick(2, 1, 0.05)
        self._servers = {"ringdex": questions.ringdexd}
        if questions.dynamo:
            self._servers["dynamo"] = questions.dynamo
        self._idle = {whose: [] for whose in self._servers}
        self._memory = {whose: [] for whose in self._servers}

    def take(self, _):
        self._setting.settle()
        for whose, server in self._servers.items():
            self._idle[whose].append(idle(server, self._seconds))
            self._memory[whose].append(server.resident_mib())

    def give(self, report):
        for whose, values in self._idle.items():
            report.row(f"http.idle.cpu.{whose}", f"idle, of a processor: {WHOSE[whose]}", "%", values)
        for whose, values in self._memory.items():
            report.row(f"http.memory.{whose}",
                       f"resident, {servers.HOLDERS} ranks of {servers.BLOCKS} blocks: "
                       f"{WHOSE[whose]}", "MiB", values)


class Busy:
    """Many workers that publish at a pace, and a client that asks at one."""

    def __init__(self, setting):
        self._setting = setting
        self._workers = setting.pick(WORKERS, WORKERS, 4)
        folder = os.path.join(setting.folder, "busy")
        self._ringdexd = servers.Ringdexd(setting.bin, folder)
        self._ringdexd.fill()
        self._pace = servers.Lines(
            [setting.program("http-pace"), folder, servers.MODEL, str(self._workers),
             str(EVENTS_A_SECOND)], stdout=subprocess.PIPE)
        self._pace.answer()
        self._request = setting.write(
            "busy.request", as_bytes(*servers.by_tokens(servers.PROMPT)))
        self._answer = setting.write(
            "busy.answer", json.dumps(servers.expected(servers.BLOCKS)).encode())
        self._values = {}
        self._wrong = self._lost = 0
        self._rates = []
        self._settled()

    def _caught_up(self):
        """Events applied and slots lost, if there is nothing left to apply; None."""
        lags, applied, lost = self._ringdexd.of_ranks(servers.LAG, servers.APPLIED, servers.LOST)
        if len(lags) != self._workers + servers.HOLDERS or any(lags):
            return None
        return sum(applied), sum(lost)

    def _settled(self):
        """The same, once it is caught up with all workers."""
        return servers.until(self._caught_up, "ringdexd does not catch up with all workers")

    def take(self, _):
        self._setting.settle()
        values = {"idle": idle(self._ringdexd, self._setting.pick(2, 1, 0.05))}
        ms = self._setting.pick(3000, 2000, 100)
        before, _ = self._settled()
        used, begin = self._ringdexd.cpu_ns(), time.perf_counter_ns()
        self._pace.say(str(ms))
        load = self._setting.load(self._ringdexd.address(), self._request, self._answer, 2,
                                  ms * QUERIES_A_SECOND // 1000, QUERIES_A_SECOND)
        done = self._pace.answer()
        values["cpu"] = percent(self._ringdexd.cpu_ns() - used, begin)
        values["p50"], values["p99"] = load["p50"], load["p99"]
        values["memory"] = self._ringdexd.resident_mib()
        for name, value in values.items():
            self._values.setdefault(name, []).append(value)
        self._rates.append(done["events"] / done["seconds"])
        self._wrong += load["wrong"]
        applied, lost = self._settled()
        self._lost += lost + (applied - before != done["events"])

    def give(self, report):
        what = f"{self._workers} workers"
        for name, said, unit in (
                ("cpu", "ringdexd, of a processor", "%"), ("p50", "due until answered, p50", "us"),
                ("p99", "due until answered, p99", "us"),
                ("idle", "ringdexd, idle before, of a processor", "%"),
                ("memory", "ringdexd, resident", "MiB")):
            report.row(f"http.busy.{name}.ringdex", f"{what}: {said}", unit, self._values[name])
        rates = ", ".join(f"{rate / 1e6:.3f}" for rate in self._rates)
        report.note(f"busy: {EVENTS_A_SECOND} events/s of each worker, of one block, stored or removed, "
                    f"and {QUERIES_A_SECOND} questions/s; published, M/s: {rates}")
        report.check(not self._wrong, f"busy: every answer is right: {self._wrong} are not")
        report.check(not self._lost, "busy: every event is applied, none overwritten before")


class Visible:
    """From the call that publishes a block until an answer has it."""

    def __init__(self, setting):
        self._setting, self._values = setting, {}

    def take(self, round_number):
        count = str(self._setting.pick(500, 200, 5))
        for whose, rest in RESTS.items():
            folder = os.path.join(self._setting.folder, f"visible-{whose}-{round_number}")
            server = servers.Ringdexd(self._setting.bin, folder, f"--rest={rest}")
            run = subprocess.run(
                [self._setting.program("http-visible"), server.address(), folder, servers.MODEL,
                 count], stdout=subprocess.PIPE, check=True)
            server.end()
            self._values.setdefault(whose, []).append(json.loads(run.stdout))

    def give(self, report):
        for whose, values in self._values.items():
            for p in ("p50", "p99"):
                report.row(f"http.visible.{p}.{whose}",
                           f"called until an answer has it, {p}: rest {RESTS[whose]}", "us",
                           [value[p] for value in values])


def measure(setting, report, only, rounds):
    every = {}
    if only in (None, "questions", "rest"):
        questions = Questions(setting, report)
        every["questions"], every["rest"] = questions, Rest(setting, questions)
    if only in (None, "visible"):
        every["visible"] = Visible(setting)
    if only in (None, "busy"):
        every["busy"] = Busy(setting)
    taken = [part for name, part in every.items() if only in (None, name)]
    for part in taken:
        for round_number in range(rounds):
            part.take(round_number)
        part.give(report)
    report.note(f"asked: a prompt of {servers.BLOCKS} blocks that {servers.HOLDERS} ranks hold; CPU: of "
                "all of the server's threads, a question; p50, p99: asked until answered")
    report.note("no process is pinned; Dynamo's has --threads 1, and what it holds from a peer's dump")
    if not setting.indexer:
        report.note("without Dynamo's indexer, which ./dev bench --peers fetches")


def main():
    own = [
        ("--bin", "where the programs are"),
        ("--indexer", "where the modules of Dynamo's indexer are"),
        ("--only", "questions, rest, visible or busy"),
    ]
    options = rows.options(QUESTION, own)
    rounds = options.rounds or {"full": 10, "quick": 4, "smoke": 1}[options.length]
    report = rows.Report("http", QUESTION, options.length)
    with parts.scratch(options.scratch) as folder:
        measure(Setting(options, folder), report, options.only, rounds)
    return report.end(options.json)


if __name__ == "__main__":
    sys.exit(main())
