#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ringdexd and its bridges under what the installed unit says of system calls and privileges, without systemd: all of
it answers, and no call is refused. test_hardened.py BIN_DIR io_uring|epoll DIR; RDX_UNITS: the folder of the units."""
import json
import os
import signal
import subprocess
import sys
import unittest

import test_register
import unit_rules
from rig import DIR, LOOP, PATIENCE_S, PROMPT, die_with_parent, links, query, until, worker
from zmq_engine import Engine

UNIT = f"{os.environ.get('RDX_UNITS', '')}/ringdexd.service"

# What the rules are for, tried by a process under them: prints the error of each.
TRIES = """
import ctypes, errno, mmap, os, socket
def error(try_it):
    try:
        try_it()
    except OSError as refused:
        return errno.errorcode[refused.errno]
    return "none"
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
def privileged_port():
    with socket.socket() as made:
        made.bind(("127.0.0.1", 80))
for try_it in (
        lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW), lambda: socket.socket(socket.AF_INET6).close(),
        lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC), lambda: mmap.mmap(-1, 4096).close(),
        lambda: call("unshare", 0x10000000), lambda: call("ptrace", 0, 0, 0, 0),
        lambda: call("mount", b"x", b"/", b"tmpfs", 0, 0), lambda: os.sched_setscheduler(0, 1, os.sched_param(1)),
        lambda: os.sched_setscheduler(0, 0, os.sched_param(0)), lambda: os.chmod(".", 0o2755), privileged_port):
    print(error(try_it))
"""
REFUSALS = ["EAFNOSUPPORT", "none", "EPERM", "none", "EPERM", "EPERM", "EPERM", "EPERM", "none", "EPERM"]


def descriptors(pid):
    """What anonymous things a process has open, such as io_uring."""
    return {link for link in links(pid) if link.startswith("anon_inode:")}


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def privileges(pid):
    """no_new_privs, the kind of seccomp, the capabilities that it could ever have."""
    said = status_of(pid)
    return said["NoNewPrivs"], said["Seccomp"], int(said["CapBnd"], 16)


class Hardened:
    """Each daemon of a case under the rules; what plays the engine is not."""
    rules = None

    def daemon(self, name, *options, **more):
        def enter():
            die_with_parent()
            self.rules.apply()
        return super().daemon(name, *options, preexec_fn=enter, **more)


class Streams(Hardened, test_register.Streams):
    """Bridges, whatever test_register.py asks of them."""
    @classmethod
    def setUpClass(cls):
        cls.rules = unit_rules.read(UNIT, is_strict=True)

    test_the_end_of_input = None  # no daemon


class Answers(Hardened, test_register.Case):
    @classmethod
    def setUpClass(cls):
        cls.rules = unit_rules.read(UNIT, is_strict=True)

    def test_the_rules_hold(self):
        """Or else all of this would show nothing."""
        rules = unit_rules.read(UNIT)
        run = subprocess.run([sys.executable, "-c", TRIES], preexec_fn=rules.apply, capture_output=True, text=True,
                             cwd=DIR, timeout=PATIENCE_S, check=True)
        *found, port = run.stdout.split()
        self.assertEqual(found, REFUSALS, run.stderr)
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
            self.assertEqual(port, "EACCES" if int(file.read()) > 80 else "none")
        run = subprocess.run([sys.executable, "-c", TRIES], preexec_fn=self.rules.apply, capture_output=True, cwd=DIR,
                             timeout=PATIENCE_S, check=False)
        self.assertEqual(run.returncode, -signal.SIGSYS)

    def test_every_route(self):
        configuration = f"{DIR}/ringdexd.conf"
        with open(configuration, "w", encoding="ascii") as file:
            file.write("log-level = info\nallow-users = root\n")
        daemon = self.daemon("routes", f"--config={configuration}", "--clean-dead-for=1ms")
        until(daemon.at_work, "it never works")
        self.assertEqual("anon_inode:[io_uring]" in descriptors(daemon.process.pid), LOOP == "io_uring")
        self.assertEqual(privileges(daemon.process.pid), ("1", "2", 0))
        bodies = {
            "/query": query(PROMPT), "/query_by_hash": {"block_hashes": [1], "model_name": "example"},
            "/query_tiered_by_hash": {"block_hashes": [1], "model_name": "example"},
            "/v1/query": {"model": "example", "prompts": [{"tokens": PROMPT}]},
            "/v1/choose": {"model": "example", "prompt": {"tokens": PROMPT}, "loads": [{"worker": 1, "load": 1}]},
            "/register": test_register.register(7), "/unregister": {"instance_id": 7, "model_name": "example"},
            "/register_peer": {"url": "http://h"}, "/deregister_peer": {"url": "http://h"}}
        with worker(daemon.directory):
            until(lambda: daemon.ask("POST", "/query", bodies["/query"])[0] == 200, "the worker is never seen")
            paths = daemon.ask("GET", "/v1/openapi.json")[1]["paths"]
            for path, methods in paths.items():
                for method in methods:
                    with self.subTest(path=path):
                        if path == "/v1/live":
                            self.live(daemon)
                            continue
                        status, _ = daemon.ask(method.upper(), path, bodies.get(path))
                        self.assertIn(status, (200, 201))
        segment = f"{daemon.directory}/1"
        until(lambda: not os.path.exists(segment), "what the dead left is never cleaned")
        with open(configuration, "w", encoding="ascii") as file:
            file.write("log-level = debug\nallow-users = root\n")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.ask("GET", "/health") and " debug " in self.said(daemon), "it is never read again")
        self.assertEqual(daemon.end(), 0)

    def live(self, daemon):
        with daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while (line := stream.readline()) and not line.startswith(b"data: "):
                pass
            self.assertIn("ranks", json.loads(line[len(b"data: "):]))

    @unittest.skipUnless(test_register.HAS_BRIDGE, "without ringdex-bridge and libzmq")
    def test_a_bridge_that_asks_for_a_name(self):
        """The resolver would like sockets of other families; and one on a Unix socket."""
        daemon = self.daemon("names")
        engine = self.engine()
        local = Engine(f"ipc://{DIR}/engine.sock")
        self.addCleanup(local.close)
        self.accepted(daemon, 7, engine.endpoint.replace("127.0.0.1", "localhost"),
                      replay_endpoint=engine.replay_endpoint.replace("127.0.0.1", "localhost"))
        self.accepted(daemon, 8, local.endpoint, replay_endpoint=local.replay_endpoint)
        for one in engine, local:
            one.store([11, 12], PROMPT[:8])
        for instance in 7, 8:
            self.until_status(daemon, instance, "active")
        both = {**test_register.held("7")["scores"], **test_register.held("8")["scores"]}
        until(lambda: daemon.ask("POST", "/query", query(PROMPT))[1].get("scores") == both, "one of them says nothing")
        bridges = test_register.children(daemon.process.pid)
        self.assertEqual(len(bridges), 2)
        for bridge in bridges:
            self.assertEqual(privileges(bridge), ("1", "2", 0))


class Refused(Hardened, test_register.Case):
    """A unit that refuses io_uring, as an administrator may have it."""
    @classmethod
    def setUpClass(cls):
        cls.rules = unit_rules.read(UNIT, "SystemCallFilter=~@aio")

    def test_epoll_is_taken(self):
        daemon = self.daemon("refused", "--wait=auto")
        until(daemon.at_work, "it never works")
        self.assertNotIn("anon_inode:[io_uring]", descriptors(daemon.process.pid))
        self.assertIn("anon_inode:[eventpoll]", descriptors(daemon.process.pid))
        with worker(daemon.directory):
            until(lambda: daemon.ask("POST", "/query", query(PROMPT))[0] == 200, "the worker is never seen")
        self.until_said(daemon, "warning io_uring is not available here: epoll is used\n")


if __name__ == "__main__":
    missing = unit_rules.what_is_missing()
    if missing:
        print(missing)
        sys.exit(77)
    unittest.main(argv=["test_hardened.py"], verbosity=2)
