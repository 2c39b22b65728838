#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may ask ringdexd, from its start on and after it has read its configuration again: test_access.py BIN_DIR
io_uring|epoll DIR"""
import os
import signal
import socket
import subprocess
import unittest

import test_service
from rig import BIN, DIR, LOOP, PATIENCE_S, Daemon, die_with_parent, until

TOKEN = "0123456789abcdef"
EVERYWHERE = "0.0.0.0"  # which other hosts reach; asked from this one
REFUSED = "the configuration stays as it was"
READ = "the configuration was read again"
ENGINE = {"instance_id": 7, "model_name": "example", "block_size": 16, "endpoint": "tcp://127.0.0.1:5557"}


def write(name, text, mode=0o600):
    """Whole and of that mode, whatever was there."""
    path = f"{DIR}/{name}"
    with open(f"{path}.new", "w", encoding="ascii") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    os.rename(f"{path}.new", path)
    return path


def start(*arguments, **variables):
    """One that is to refuse to start: its status, and what it says."""
    run = subprocess.run([f"{BIN}/ringdexd", f"--wait={LOOP}", *arguments], capture_output=True, text=True,
                         env={**os.environ, **variables}, timeout=PATIENCE_S, check=False)
    return run.returncode, run.stderr


class Told(Daemon):
    """One that is told by a file alone where to listen, or by sockets that are passed."""

    def __init__(self, name, configuration, passed=()):  # pylint: disable=super-init-not-called
        self.name, self.directory = name, f"{DIR}/{name}"
        self.configure(configuration)
        arguments = [f"--config={DIR}/{name}.conf", f"--dir={self.directory}", "--bridge=/bin/true"]
        with open(f"{DIR}/{name}.err", "w", encoding="utf-8") as said:
            if passed:
                self.process = test_service.Service.run_with(passed, arguments, stderr=said)
            else:
                self.process = subprocess.Popen([f"{BIN}/ringdexd", f"--wait={LOOP}", *arguments], stderr=said,
                                                stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        line = self.process.stdout.readline()
        assert line.startswith(f"listening on {EVERYWHERE}:"), line + self.said()
        self.port = int(line.rsplit(":", 1)[1])

    def configure(self, text):
        write(f"{self.name}.conf", text)

    def said(self):
        with open(f"{DIR}/{self.name}.err", encoding="utf-8") as file:
            return file.read()

    def reads(self, configuration, outcome):
        """Again, and what it says to that."""
        before = self.said()
        self.configure(configuration)
        self.process.send_signal(signal.SIGHUP)
        until(lambda: outcome in self.said()[len(before):], f"'{outcome}' is never said")
        return self.said()[len(before):]

    def statuses(self, token=None):
        """Of who asks, and of who would start a process."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return (self.ask("GET", "/workers", **headers)[0], self.ask("POST", "/register", ENGINE, **headers)[0])


class World(unittest.TestCase):
    """A socket that other hosts reach."""

    def told(self, *arguments, **options):
        daemon = Told(*arguments, **options)
        self.addCleanup(daemon.close)
        return daemon

    def stays_guarded(self, daemon, configuration):
        said = daemon.reads(configuration, REFUSED)
        self.assertIn(f"{EVERYWHERE}:{daemon.port} is open and can be reached from other hosts: keep token-file", said)
        self.assertEqual(daemon.statuses(), (401, 401))
        self.assertEqual(daemon.ask("GET", "/workers", Authorization=f"Bearer {TOKEN}")[0], 200)

    def test_is_refused_at_the_start(self):
        """Before anything else is begun."""
        status, said = start(f"--dir={DIR}/world", f"--listen={EVERYWHERE}:0")
        self.assertEqual((status, len(said.splitlines())), (2, 1), said)
        self.assertIn("--token-file", said)
        self.assertFalse(os.path.exists(f"{DIR}/world"))

    def test_another_address_in_the_file(self):
        """The socket is open all the same."""
        guarded = f"token-file = {write('listen.txt', TOKEN)}\nlisten = {EVERYWHERE}:0\n"
        daemon = self.told("listen", guarded)
        self.stays_guarded(daemon, "listen = 127.0.0.1:0\n")
        self.stays_guarded(daemon, "no-register = yes\n")
        # all or nothing: what was beside it does not hold either
        self.assertEqual(daemon.ask("POST", "/register", {}, Authorization=f"Bearer {TOKEN}")[0], 422)
        # a fault of the new settings alone, with its place
        self.assertIn(f"{DIR}/listen.conf:1: 0.0.0.0:1 can be reached",
                      daemon.reads(f"listen = {EVERYWHERE}:1\n", REFUSED))
        write("listen.txt", TOKEN[::-1])
        daemon.reads(f"token-file = {DIR}/listen.txt\nlisten = 127.0.0.1:0\n", READ)
        self.assertEqual((daemon.statuses(TOKEN), daemon.statuses(TOKEN[::-1])), ((401, 401), (200, 201)))
        self.assertEqual(daemon.end(), 0)

    def test_a_socket_that_was_passed(self):
        with socket.create_server((EVERYWHERE, 0)) as passed:
            daemon = self.told("passed", f"token-file = {write('passed.txt', TOKEN)}\n", passed=[passed])
            self.stays_guarded(daemon, "log = text\n")
            self.assertEqual(daemon.end(), 0)

    def test_open_to_all(self):
        """By a reload it is what it is from the start: everybody asks, nobody registers; and back."""
        guarded = f"token-file = {write('all.txt', TOKEN)}\nlisten = {EVERYWHERE}:0\n"
        daemon = self.told("all", guarded)
        self.assertEqual(daemon.statuses(), (401, 401))
        daemon.reads(f"listen = {EVERYWHERE}:0\nopen-to-all = yes\n", READ)
        self.assertEqual(daemon.statuses(), (200, 403))
        said = daemon.reads("listen = 127.0.0.1:0\n", REFUSED)
        self.assertIn("is open and can be reached from other hosts", said)
        self.assertEqual(daemon.statuses(), (200, 403))
        daemon.reads(guarded, READ)
        self.assertEqual((daemon.statuses(), daemon.statuses(TOKEN)), ((401, 401), (200, 201)))
        self.assertEqual(daemon.end(), 0)


if __name__ == "__main__":
    unittest.main(argv=["test_access.py"], verbosity=2)
