#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Engines and peers that are registered over HTTP, and the bridges that listen to them: real processes, and streams
of real ZeroMQ sockets: test_register.py BIN_DIR io_uring|epoll DIR"""
import functools
import json
import os
import signal
import stat
import subprocess
import sys
import unittest

from rig import BIN, DIR, NOTHING, PATIENCE_S, PROMPT, REGISTERED_UNLIKE, Daemon, die_with_parent, query, until, worker
from zmq_engine import ZMQ, Engine

HAS_BRIDGE = os.path.exists(f"{BIN}/ringdex-bridge") and ZMQ and "tsan" not in BIN
NOBODY = "tcp://127.0.0.1:9"  # discard: nobody publishes there
OK = {"status": "ok"}
REGISTRATION = ("/register", "/unregister", "/register_peer", "/deregister_peer")

# In place of a bridge: says what it was started with, and goes on as it is told.
FAKE = """#!{python}
import json, os, signal, sys, time
with open("/proc/self/status", encoding="ascii") as file:
    signals = {{line.split(":")[0]: line.split()[1] for line in file if line.startswith("Sig")}}
said = {{"pid": os.getpid(), "session": os.getsid(0), "time": time.monotonic(), "arguments": sys.argv[1:],
        "descriptors": sorted(os.listdir("/proc/self/fd"), key=int)[:-1], "blocked": signals["SigBlk"],
        "ignored": int(signals["SigIgn"], 16) & (1 << signal.SIGHUP - 1 | 1 << signal.SIGTERM - 1)}}
with open({said!r}, "a", encoding="utf-8") as file:
    file.write(json.dumps(said) + "\\n")
{then}
"""
WAITS = "sys.stdin.read()"
STUBBORN = """signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"state": "connected", "dp_rank": 0}), flush=True)
time.sleep(300)  # stays no longer than that where the test fails"""


def register(instance, endpoint=NOBODY, model="example", block_size=4, **more):
    return {"instance_id": instance, "endpoint": endpoint, "model_name": model, "block_size": block_size, **more}


def state_and_parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            state, parent = file.read().rsplit(")", 1)[1].split()[:2]
            return state, int(parent)
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0


def children(pid):
    """Also those that ended and that it has not waited for."""
    return [one for one in map(int, filter(str.isdigit, os.listdir("/proc"))) if state_and_parent(one)[1] == pid]


def is_there(pid):
    return state_and_parent(pid)[0] not in "ZX"


def held(instance, dp_rank="0", tokens=8):
    return {"scores": {instance: {dp_rank: tokens}}, "frequencies": [1] * (tokens // 4),
            "instances": {instance: {"longest_matched": tokens, "gpu": tokens, "dp": {dp_rank: tokens},
                                     "cpu": tokens, "disk": tokens}}}


@functools.cache
def openapi():
    """Read where it is asked: test_booted.py, which takes some of this, has no tree."""
    with open(f"{os.path.dirname(os.path.abspath(__file__))}/../../package/openapi/ringdexd.json", encoding="ascii") as file:
        return json.load(file)


def resolved(part):
    """What a part of the OpenAPI file is, or refers to."""
    while "$ref" in part:
        name = part["$ref"].removeprefix("#/components/").split("/")
        part = openapi()["components"][name[0]][name[1]]
    return part


def check_described(path, status, said):
    """An answer of a route is one that the OpenAPI file has: schemathesis (test_openapi.py) does not come to each."""
    described = openapi()["paths"][path]["post"]["responses"]
    assert str(status) in described, (path, status, said)
    content = resolved(described[str(status)])["content"]
    if isinstance(said, str):
        assert "text/plain" in content, (path, status, said)
        return
    schema = resolved(content["application/json"]["schema"])
    assert set(said) == set(schema["required"]), (path, status, said)
    for name, value in said.items():
        assert isinstance(value, str) and value in schema["properties"][name].get("enum", [value]), (path, said)


class DescribedDaemon(Daemon):
    def ask(self, method, path, body=None, **headers):
        status, said = super().ask(method, path, body, **headers)
        if method == "POST" and path in REGISTRATION:
            check_described(path, status, said)
        return status, said


class Case(unittest.TestCase):
    def daemon(self, name, *options, **more):
        said = open(f"{DIR}/{name}.err", "w+", encoding="utf-8")
        self.addCleanup(said.close)
        process = {"stderr": said, "preexec_fn": die_with_parent, **more}
        daemon = DescribedDaemon(name, *options, process=process)
        daemon.said_path = said.name
        self.addCleanup(daemon.close)
        return daemon

    def engine(self, **options):
        engine = Engine(**options)
        self.addCleanup(engine.close)
        return engine

    def fake(self, name, then):
        """A program that does this; and where it says what it was started with."""
        path, said = f"{DIR}/{name}.py", f"{DIR}/{name}.said"
        with open(path, "w", encoding="utf-8") as file:
            file.write(FAKE.format(python=sys.executable, said=said, then=then))
        os.chmod(path, stat.S_IRWXU)

        def read():
            if not os.path.exists(said):
                return []
            with open(said, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        return f"--bridge={path}", read

    def said(self, daemon):
        with open(daemon.said_path, encoding="utf-8") as file:
            return file.read()

    def until_said(self, daemon, text):
        """A line of the log may come behind the answer to what it is about."""
        until(lambda: text in self.said(daemon), f"'{text}' is never said")

    def accepted(self, daemon, *arguments, **more):
        self.assertEqual(daemon.ask("POST", "/register", register(*arguments, **more)), (201, OK))

    def listener(self, daemon, instance, dp_rank="0"):
        """The status of one, as /workers has it; None: it is not there."""
        found = [one for one in daemon.ask("GET", "/workers")[1]
                 if one["instance_id"] == instance and one["source"] == "zmq"]
        self.assertLessEqual(len(found), 1)
        return found[0]["listeners"].get(dp_rank, {}).get("status") if found else None

    def until_status(self, daemon, instance, status):
        until(lambda: self.listener(daemon, instance) == status, f"instance {instance} is never {status}")


class Answers(Case):
    """Statuses and texts, as Dynamo's indexer has them: docs/ringdexd.md."""

    def test_register(self):
        option, _ = self.fake("answers", WAITS)
        daemon = self.daemon("answers", option, "--registered=3")

        def refused(status, text, *arguments, **more):
            self.assertEqual(daemon.ask("POST", "/register", register(*arguments, **more)),
                             (status, {"error": text}))
        self.accepted(daemon, 7, model="m")
        refused(409, "instance 7 dp_rank 0 already registered", 7, model="m")
        refused(409, "instance 7 is already registered for model=m routing_group=default", 7, model="other")
        refused(409, "instance 7 is already registered for model=m routing_group=default", 7, model="m",
                routing_group="g", dp_rank=1)
        refused(409, "block_size mismatch for model=m routing_group=default: existing=4, requested=8", 8,
                model="m", block_size=8)
        self.accepted(daemon, 7, model="m", dp_rank=1, replay_endpoint=NOBODY, routing_group="default",
                      tenant_id="x", additional_salt="y")
        self.accepted(daemon, 2 ** 64 - 1, model="m", block_size=8, routing_group="g")
        refused(503, "as many as --registered allows are registered", 9)
        self.assertEqual(daemon.ask("POST", "/unregister", {"instance_id": 2 ** 64 - 1, "model_name": "m"}),
                         (200, OK))
        self.accepted(daemon, 9)

    def test_endpoints(self):
        daemon = self.daemon("endpoints")
        for endpoint, fault in (("nonsense", "missing scheme"), ("", "missing scheme"),
                                ("tcp://", "missing address"), ("tcp://host", "missing TCP port"),
                                ("tcp://:1", "missing TCP host"), ("tcp://[::1:5", "missing closing `]`"),
                                ("tcp://a:b:1", "missing TCP port"),
                                ("tcp://*:5557", "name the engine's host in place of `*`"),
                                ("tcp://h:", "invalid TCP port: cannot parse integer from empty string"),
                                ("tcp://h:1x", "invalid TCP port: invalid digit found in string"),
                                ("tcp://h:65536", "invalid TCP port: number too large to fit in target type"),
                                ("tcp://h:" + "9" * 40,
                                 "invalid TCP port: number too large to fit in target type"),
                                ("tcp://h:0", "invalid TCP port: nobody publishes at port 0"),
                                *((f"tcp://{host}:5", "invalid TCP host") for host in (
                                    "a b", "a\tb", " h", "h/x", ".", "-h", ";1.2.3.4", "%00", "\u00fc", "h\n", "h\u00e9", "h]\\")),
                                ("ipc://" + "x" * 240, "longer than 240 bytes"),
                                ("ipc://" + "x" * 108, "the path is longer than 107 bytes"),
                                ("ipc://@", "there is no name behind the `@`"),
                                ("inproc://x", "unsupported scheme `inproc`"),
                                ("file:///etc/passwd", "unsupported scheme `file`"),
                                ("--tcp://h:1", "unsupported scheme `--tcp`")):
            with self.subTest(endpoint=endpoint):
                said = f"invalid ZMQ endpoint `{endpoint}`: {fault}"
                self.assertEqual(daemon.ask("POST", "/register", register(1, endpoint)), (400, {"error": said}))
                said = f"invalid replay endpoint `{endpoint}`: {said}"
                self.assertEqual(daemon.ask("POST", "/register", register(1, replay_endpoint=endpoint)),
                                 (400, {"error": said}))
        said = "invalid ZMQ endpoint `tcp://h:5`: the TCP port must be above the dp_rank, 5"
        self.assertEqual(daemon.ask("POST", "/register", register(1, "tcp://h:5", dp_rank=5)),
                         (400, {"error": said}))
        self.assertEqual(daemon.ask("GET", "/workers"), (200, []))
        self.assertEqual(children(daemon.process.pid), [])
        for instance, endpoint in enumerate(("ipc://" + "x" * 107, "ipc://@x", "tcp://h_-1.x:5", "tcp://[fe80::1%lo]:5")):
            self.accepted(daemon, instance, endpoint)

    def test_no_requests(self):
        daemon = self.daemon("no-requests")
        right = register(1)
        for field in right:
            body = {name: value for name, value in right.items() if name != field}
            self.assertEqual(daemon.ask("POST", "/register", body), (422, f"missing field `{field}`\n"))
        for more in ({"instance_id": -1}, {"instance_id": "1"}, {"instance_id": 1.5},
                     {"block_size": 0}, {"block_size": 65537}, {"dp_rank": 1024}, {"dp_rank": -1},
                     {"endpoint": 1}, {"endpoint": "x" * 256}, {"model_name": "a\0b"}, {"routing_group": []}):
            with self.subTest(more=more):
                self.assertEqual(daemon.ask("POST", "/register", {**right, **more})[0], 422)
        self.assertEqual(daemon.ask("POST", "/register", register(2 ** 64))[0], 422)
        for field in (*right, "routing_group"):  # null is no value, but where there may be none
            self.assertEqual(daemon.ask("POST", "/register", {**right, field: None})[0], 422, field)
        for path, body, status, _ in REGISTERED_UNLIKE:
            with self.subTest(path=path, body=body):
                self.assertEqual(daemon.ask("POST", path, body)[0], status)
        twice = b'{"instance_id":1,"instance_id":2,"endpoint":"tcp://h:1","model_name":"m","block_size":4}'
        for path in REGISTRATION:
            for body, status in ((b"{", 400), (b"", 400), (b"[]", 422), (b"{}", 422), (twice, 422)):
                self.assertEqual(daemon.ask("POST", path, body)[0], status, (path, body))
            self.assertEqual(daemon.ask("POST", path, b"{}", Content_Type="text/plain")[0], 415)
            self.assertEqual(daemon.ask("GET", path)[0], 405)
        self.assertEqual(daemon.ask("POST", "/peers", {})[0], 405)
        self.assertEqual(daemon.ask("GET", "/workers"), (200, []))

    def test_unregister(self):
        option, _ = self.fake("unregister", WAITS)
        daemon = self.daemon("unregister", option)

        def ask(instance, model="m", **more):
            return daemon.ask("POST", "/unregister", {"instance_id": instance, "model_name": model, **more})
        for rank in range(3):
            self.accepted(daemon, 7, model="m", dp_rank=rank, routing_group="g")
        self.assertEqual(ask(9), (404, {"error": "instance 9 not found"}))
        other = (404, {"error": "instance 7 is registered for model=m routing_group=g"})
        self.assertEqual(ask(7, "other"), other)
        self.assertEqual(ask(7, routing_group="default"), other)
        self.assertEqual(ask(7, routing_group=""), other)
        self.assertEqual(ask(7, routing_group="g", dp_rank=5),
                         (404, {"error": "instance 7 dp_rank 5 not found"}))
        self.assertEqual(ask(7, routing_group="g", dp_rank=1), (200, OK))
        self.assertEqual([list(one["listeners"]) for one in daemon.ask("GET", "/workers")[1]], [["0", "2"]])
        self.assertEqual(ask(7, dp_rank=5), (200, OK))  # without a group no rank counts
        self.assertEqual(daemon.ask("GET", "/workers"), (200, []))
        self.assertEqual(ask(7)[0], 404)
        for rank in range(2):
            self.accepted(daemon, 8, model="m", dp_rank=rank)
        self.assertEqual(ask(8, routing_group=""),
                         (404, {"error": "instance 8 is registered for model=m routing_group=default"}))
        self.assertEqual(ask(8, routing_group=None, dp_rank=None), (200, OK))
        self.accepted(daemon, 8, model="m")
        self.assertEqual(ask(8, routing_group="default"), (200, OK))
        self.assertEqual(daemon.ask("GET", "/workers"), (200, []))

    def test_peers(self):
        daemon = self.daemon("peers")
        one, two = "http://10.0.0.1:8090", "https://[::1]:8090/x"
        self.assertEqual(daemon.ask("GET", "/peers"), (200, []))
        for _ in range(2):
            self.assertEqual(daemon.ask("POST", "/register_peer", {"url": one}), (201, OK))
        self.assertEqual(daemon.ask("POST", "/register_peer", {"url": two}), (201, OK))
        self.assertEqual(daemon.ask("GET", "/peers"), (200, [one, two]))
        self.assertEqual(daemon.ask("POST", "/deregister_peer", {"url": one}), (200, OK))
        self.assertEqual(daemon.ask("POST", "/deregister_peer", {"url": one}), (404, {"error": "peer not found"}))
        self.assertEqual(daemon.ask("GET", "/peers"), (200, [two]))
        for url in ("", "10.0.0.1:8090", "ftp://h", "http://", "http:///x", "http://a b", "http://a\nb", "http://\u00e9"):
            self.assertEqual(daemon.ask("POST", "/register_peer", {"url": url})[0], 400, url)
        for i in range(63):
            self.assertEqual(daemon.ask("POST", "/register_peer", {"url": f"http://{i}"})[0], 201)
        self.assertEqual(daemon.ask("POST", "/register_peer", {"url": "http://more"})[0], 503)
        self.assertEqual(daemon.ask("POST", "/register_peer", {"url": two})[0], 201)
        self.assertEqual(len(daemon.ask("GET", "/peers")[1]), 64)

    def test_who_may(self):
        said = {"error": "registration is switched off here: --no-register"}
        daemon = self.daemon("may-none", "--no-register")
        for path in "/register", "/unregister":
            self.assertEqual(daemon.ask("POST", path, register(1)), (403, said))
        daemon = self.daemon("may-all", "--open-to-all", "--listen=0.0.0.0:0")
        said = {"error": "registration needs --token-file where --open-to-all lets everybody ask"}
        self.assertEqual(daemon.ask("POST", "/register", register(1)), (403, said))
        token = f"{DIR}/token.txt"
        with open(token, "w", encoding="ascii") as file:
            file.write("0123456789abcdef\n")
        daemon = self.daemon("may-token", "--open-to-all", f"--token-file={token}", "--bridge=/bin/true")
        self.assertEqual(daemon.ask("POST", "/register", register(1))[0], 401)
        self.assertEqual(daemon.ask("POST", "/register", register(1), Authorization="Bearer 0123456789abcdef"),
                         (201, OK))

    def test_a_block_size_of_shared_memory(self):
        """A rank that appeared by itself has a block size, too."""
        daemon = self.daemon("sizes")
        with worker(daemon.directory):
            until(lambda: daemon.ask("POST", "/query", query(PROMPT))[0] == 200, "the worker is never seen")
            said = "block_size mismatch for model=example routing_group=default: existing=4, requested=16"
            self.assertEqual(daemon.ask("POST", "/register", register(7, block_size=16)), (409, {"error": said}))


class Supervision(Case):
    """What the daemon does with its processes, whatever they are."""

    def test_how_it_is_started(self):
        """Each value is in one argument behind its option's name, whatever it is; no descriptor is passed on."""
        option, read = self.fake("started", WAITS)
        left, right = os.pipe()  # what a careless parent leaves open
        self.addCleanup(os.close, left)
        self.addCleanup(os.close, right)
        daemon = self.daemon("started", option, pass_fds=(left, right))
        touched = f"{DIR}/touched"
        values = ["--help", "-x", f"$(touch {touched})", f"`touch {touched}`", f"a'\"; touch {touched} #", "a b\n\tc",
                  "--end-with-input=", "\u00e9\U0001f600", "m" * 255, ""]
        for instance, value in enumerate(values):
            with daemon.connect():  # descriptors beside
                self.accepted(daemon, instance, "ipc://" + value[:100] + "x", model=value,
                              routing_group=value or "default", dp_rank=3)
        self.accepted(daemon, 100, "tcp://[::1]:5560", replay_endpoint="tcp://h:6000", dp_rank=3)
        said = until(lambda: len(read()) == len(values) + 1 and read(), "not all of them start")
        said = {one["arguments"][3]: one for one in said}
        for instance, value in enumerate(values):
            one = said[f"--worker={instance}"]
            endpoint = "ipc://" + value[:100] + "x"
            self.assertEqual(one["arguments"], [
                "--end-with-input", "--json", f"--dir={daemon.directory}", f"--worker={instance}", "--first-rank=3",
                "--block-tokens=4", f"--model={value}", f"--tenant={value}", f"--instance={endpoint}",
                f"--endpoint={endpoint}"])
        one = said["--worker=100"]
        self.assertEqual(one["arguments"][-4:], ["--tenant=", "--instance=tcp://[::1]:5560",
                                                 "--endpoint=tcp://[::1]:5557", "--replay=tcp://h:5997"])
        for one in said.values():
            self.assertEqual((one["descriptors"], one["session"], one["ignored"]), (["0", "1", "2"], one["pid"], 0))
            self.assertEqual(int(one["blocked"], 16), 0)
        self.assertFalse(os.path.exists(touched))
        self.assertEqual(daemon.end(), 0)
        self.assertFalse(any(is_there(one["pid"]) for one in said.values()))

    def test_one_that_ends(self):
        """It is started again, each time after a longer pause; also where SIGCHLD was ignored at the start."""
        def ignore():
            die_with_parent()
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        option, read = self.fake("ends", "print('no \\x1b[2J use', file=sys.stderr)\nsys.exit(3)")
        daemon = self.daemon("ends", option, preexec_fn=ignore)
        self.accepted(daemon, 7)
        said = until(lambda: len(read()) >= 5 and read(), "it is not started again")
        starts = [one["time"] for one in said]
        for i in range(4):  # a pause begins where the one before has ended: starting takes time, too
            self.assertGreater(starts[i + 1] - starts[i], 0.1 * 2 ** i)
        self.until_status(daemon, 7, "failed")
        self.until_said(daemon, "warning bridge of instance 7 dp_rank 0: no \\x1b[2J use\n")
        self.until_said(daemon, "warning bridge of instance 7 dp_rank 0: ended with status 3, is started again\n")

    def test_one_that_leaves_a_child(self):
        """Which has its output still: its end is seen all the same, and what it said; the child learns of that."""
        option, read = self.fake("parent", """print("a last word", file=sys.stderr, flush=True)
if os.fork():
    os._exit(3)
sys.stdin.read()
with open(sys.argv[0] + ".end", "a", encoding="ascii") as file:
    file.write("x")""")
        daemon = self.daemon("parent", option)
        self.accepted(daemon, 7)
        said = until(lambda: len(read()) >= 2 and read(), "it is not started again")
        self.until_said(daemon, "warning bridge of instance 7 dp_rank 0: a last word\n")
        self.until_said(daemon, "warning bridge of instance 7 dp_rank 0: ended with status 3, is started again\n")
        self.assertFalse(is_there(said[0]["pid"]))
        until(lambda: os.path.exists(f"{DIR}/parent.py.end"), "what it left behind does not learn of that")
        self.assertEqual(daemon.ask("POST", "/unregister", {"instance_id": 7, "model_name": "example"}), (200, OK))
        until(lambda: not children(daemon.process.pid), "a process stays")

    def test_one_that_is_not_there(self):
        daemon = self.daemon("not-there", f"--bridge={DIR}/nothing")
        self.accepted(daemon, 7)
        self.assertEqual(self.listener(daemon, 7), "failed")
        self.until_said(daemon, f"error cannot start {DIR}/nothing, and tries again: No such file")
        self.assertEqual(daemon.ask("POST", "/unregister", {"instance_id": 7, "model_name": "example"}), (200, OK))
        self.assertIsNone(self.listener(daemon, 7))

    def test_one_that_does_not_end(self):
        """It is killed after a while, and nobody waits for it: nor at the end of the daemon."""
        option, read = self.fake("stubborn", STUBBORN)
        daemon = self.daemon("stubborn", option)
        for instance in 7, 8:
            self.accepted(daemon, instance)
            self.until_status(daemon, instance, "active")
        pids = {one["arguments"][3]: one["pid"] for one in read()}
        self.assertEqual(daemon.ask("POST", "/unregister", {"instance_id": 7, "model_name": "example"}), (200, OK))
        self.assertIsNone(self.listener(daemon, 7))
        self.assertEqual(daemon.ask("GET", "/peers"), (200, []))
        until(lambda: not is_there(pids["--worker=7"]), "it is never killed")
        self.assertTrue(is_there(pids["--worker=8"]))
        self.assertEqual(daemon.end(), 0)
        self.assertFalse(is_there(pids["--worker=8"]))

    def test_nothing_stays(self):
        """Neither descriptors nor processes of what came and went."""
        daemon = self.daemon("stays", "--bridge=/bin/true")
        until(daemon.at_work, "it never works")
        pid = daemon.process.pid

        def one_round():
            for instance in range(5):
                self.accepted(daemon, instance)
            for instance in range(5):
                self.assertEqual(daemon.ask("POST", "/unregister",
                                            {"instance_id": instance, "model_name": "example"}), (200, OK))
            until(lambda: not children(pid), "processes stay")
        one_round()
        count = len(os.listdir(f"/proc/{pid}/fd"))
        for _ in range(5):
            one_round()
        until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= count, "descriptors stay")


@unittest.skipUnless(HAS_BRIDGE, "without ringdex-bridge and libzmq, or with threads that a sanitizer does not know")
class Streams(Case):
    """Real bridges, and what engines say to them."""

    def answers(self, daemon, expected, model="example", **more):
        def same():
            return daemon.ask("POST", "/query", query(PROMPT, model, **more)) == (200, expected)
        until(same, f"never {expected}")

    def test_an_engine_that_was_never_there(self):
        """Dynamo has no word for it, but /metrics has."""
        daemon = self.daemon("never")
        self.accepted(daemon, 7, f"ipc://{DIR}/nobody")

        def streams(status, count=1):
            return f'\nringdex_bridges{{status="{status}"}} {count}\n' in daemon.ask("GET", "/metrics")[1]
        until(lambda: streams("waiting"), "it does not wait")
        self.assertTrue(streams("active", 0))
        self.assertEqual(self.listener(daemon, 7), "active")

    def test_from_events_to_answers(self):
        daemon = self.daemon("streams")
        engine = self.engine()
        self.assertEqual(daemon.ask("POST", "/query", query(PROMPT))[0], 404)
        self.accepted(daemon, 7, engine.endpoint, replay_endpoint=engine.replay_endpoint)
        self.assertEqual(daemon.ask("POST", "/query", query(PROMPT)), (200, NOTHING))  # as with Dynamo's
        self.until_status(daemon, 7, "active")
        engine.store([11, 12], PROMPT[:8])
        self.answers(daemon, held("7"))
        with worker(daemon.directory):  # one of shared memory beside
            both = until(lambda: len(listed := daemon.ask("GET", "/workers")[1]) == 2 and listed, "the worker is never seen")
            self.assertEqual([(one["instance_id"], one["source"]) for one in both], [(1, "ringdex"), (7, "zmq")])
            self.assertEqual(both[1], {
                "instance_id": 7, "source": "zmq", "status": "active", "model_name": "example",
                "routing_group": "default", "block_size": 4, "endpoints": {"0": engine.endpoint},
                "listeners": {"0": {"endpoint": engine.endpoint, "status": "active"}}})
        until(lambda: len(daemon.ask("GET", "/workers")[1]) == 1, "who has ended is still there")
        # killed: all is asked for again, and nothing is lost
        bridge, = children(daemon.process.pid)
        os.kill(bridge, signal.SIGKILL)
        until(lambda: children(daemon.process.pid) not in ([], [bridge]), "it is not started again")
        engine.store([13], PROMPT[8:12], 12)
        self.answers(daemon, held("7", tokens=12))
        self.until_status(daemon, 7, "active")
        self.until_said(daemon, "warning bridge of instance 7 dp_rank 0: ended by signal 9, is started again\n")
        # an engine that is away, and its successor
        engine.close()
        self.until_status(daemon, 7, "paused")
        self.assertEqual(daemon.ask("POST", "/unregister", {"instance_id": 7, "model_name": "example"}), (200, OK))
        self.assertEqual(daemon.ask("GET", "/workers"), (200, []))
        until(lambda: not children(daemon.process.pid), "its bridge stays")
        self.answers(daemon, NOTHING)
        self.assertEqual(daemon.ask("GET", "/workers"), (200, []))

    def test_ranks_and_groups(self):
        """Each rank at its own endpoint; a rank that batches name is the one; what begins with - is a name."""
        daemon = self.daemon("ranks")
        engines = [self.engine() for _ in range(2)] + [self.engine(rank=5)]
        model, group = "--help", "-x $(id)"
        for rank, engine in zip((0, 3), engines):
            self.accepted(daemon, 7, engine.endpoint, model=model, routing_group=group, dp_rank=rank,
                          replay_endpoint=engine.replay_endpoint)
        self.accepted(daemon, 8, engines[2].endpoint, replay_endpoint=engines[2].replay_endpoint)
        for engine in engines:
            engine.store([11, 12], PROMPT[:8])
        both = held("7")
        both["scores"]["7"]["3"] = both["instances"]["7"]["dp"]["3"] = 8
        both["frequencies"] = [2, 2]
        self.answers(daemon, both, model, routing_group=group)
        self.answers(daemon, held("8", "5"))
        listed = daemon.ask("GET", "/workers")[1]
        self.assertEqual([(one["instance_id"], one["source"], one["model_name"], one["routing_group"],
                           list(one["listeners"])) for one in listed],
                         [(7, "zmq", model, group, ["0", "3"]), (8, "zmq", "example", "default", ["0"])])
        for query_text, count in (("model_name=--help", 1), ("model_name=example&routing_group=default", 1),
                                  ("routing_group=other", 0)):
            self.assertEqual(len(daemon.ask("GET", f"/workers?{query_text}")[1]), count, query_text)
        self.assertEqual(daemon.ask("POST", "/unregister", {
            "instance_id": 7, "model_name": model, "routing_group": group, "dp_rank": 0}), (200, OK))
        self.answers(daemon, held("7", "3"), model, routing_group=group)

    def test_no_bridge_stays(self):
        """However the daemon ends."""
        for how in signal.SIGTERM, signal.SIGKILL:
            with self.subTest(how=how):
                daemon = self.daemon(f"ends-by-{int(how)}")
                engine = self.engine()
                self.accepted(daemon, 7, engine.endpoint)
                self.accepted(daemon, 8)  # nobody is there
                for instance in 7, 8:
                    self.until_status(daemon, instance, "active")
                bridges = children(daemon.process.pid)
                self.assertEqual(len(bridges), 2)
                daemon.process.send_signal(how)
                daemon.process.wait(PATIENCE_S)
                if how == signal.SIGTERM:
                    self.assertEqual(daemon.process.returncode, 0)
                    self.assertFalse(any(map(is_there, bridges)))
                until(lambda b=bridges: not any(map(is_there, b)), "a bridge stays")

    def test_the_end_of_input(self):
        """ringdex bridge --end-with-input by itself."""
        command = [f"{BIN}/ringdex-bridge", f"--dir={DIR}/input", "--end-with-input", f"--endpoint={NOBODY}"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              preexec_fn=die_with_parent) as bridge:
            try:
                self.assertIn("waiting", bridge.stdout.readline())
                bridge.stdin.write("what is said there is passed over\n" * 100)
                bridge.stdin.flush()
                with self.assertRaises(subprocess.TimeoutExpired):
                    bridge.wait(0.2)
                bridge.stdin.close()
                self.assertEqual(bridge.wait(PATIENCE_S), 0)
            finally:
                bridge.kill()
        with open(__file__, encoding="utf-8") as file:
            for arguments, status, said in (([*command[:3], "-"], 2, "standard input ends once"),
                                            (command, 1, "must be a pipe or a socket")):
                run = subprocess.run(arguments, stdin=file, capture_output=True, text=True, timeout=PATIENCE_S)
                self.assertEqual(run.returncode, status, run.stderr)
                self.assertIn(said, run.stderr)


if __name__ == "__main__":
    unittest.main(argv=["test_register.py"], verbosity=2)
