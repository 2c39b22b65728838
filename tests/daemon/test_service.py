#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ringdexd as a service: what it tells its manager and takes from it. Without systemd: the sockets are real.

test_service.py BIN_DIR io_uring|epoll DIR; RDX_UNITS in the environment: the folder of the units."""
import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import unittest

from rig import BIN, DIR, LOOP, PATIENCE_S, Daemon, die_with_parent, until

UNITS = os.environ.get("RDX_UNITS", "")
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
ALL_THREADS = 0x40000000  # __WALL


class Manager:
    """A socket that is told what systemd would be told."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.socket.settimeout(PATIENCE_S)

    def environment(self, **more):
        return {**os.environ, "NOTIFY_SOCKET": self.path, **more}

    def next(self):
        return self.socket.recv(4096).decode()

    def await_line(self, line):
        """What came before it."""
        before = []
        while (came := self.next()) != line:
            before.append(came)
        return before

    def all(self):
        """What has come and was not read yet."""
        self.socket.setblocking(False)
        came = []
        with contextlib.suppress(BlockingIOError):
            while True:
                came.append(self.next())
        self.socket.settimeout(PATIENCE_S)
        return came


def comm(thread):
    """Its name; none, of one that has ended, as workers of io_uring do."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{thread}/comm", encoding="ascii") as file:
        return file.read().strip()
    return ""


@contextlib.contextmanager
def stopped_thread(pid, name):
    """One thread of a process does not go on; the others do."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    thread = next(task for task in map(int, os.listdir(f"/proc/{pid}/task")) if comm(task) == name)
    if libc.ptrace(PTRACE_SEIZE, thread, None, None) < 0:
        raise unittest.SkipTest(f"ptrace is refused here: {os.strerror(ctypes.get_errno())}")
    if libc.ptrace(PTRACE_INTERRUPT, thread, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(thread, ALL_THREADS)
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, thread, None, None)


class Service(unittest.TestCase):
    def daemon(self, *arguments, **options):
        daemon = Daemon(*arguments, **options)
        self.addCleanup(daemon.close)
        return daemon

    def manager(self, path):
        manager = Manager(path)
        self.addCleanup(manager.socket.close)
        return manager

    def test_ready_status_and_end(self):
        for path in (f"{DIR}/notify.sock", f"@ringdex-test-{os.getpid()}"):
            with self.subTest(path=path):
                manager = self.manager(path)
                daemon = self.daemon("ready", process={"env": manager.environment(),
                                                       "preexec_fn": die_with_parent})
                before = manager.await_line("READY=1")
                self.assertEqual(before, ["STATUS=at work"])
                self.assertNotEqual(daemon.ask("GET", "/health")[0], 503)  # ready is what it says
                self.assertEqual(daemon.end(), 0)
                manager.await_line("STOPPING=1")

    def test_never_ready_without_an_address(self):
        """A service that cannot listen has not begun, whatever its indexer does."""
        manager = self.manager(f"{DIR}/never.sock")
        with socket.create_server(("127.0.0.1", 0)) as other:
            run = subprocess.run([f"{BIN}/ringdexd", f"--wait={LOOP}", f"--dir={DIR}/never",
                                  f"--listen=127.0.0.1:{other.getsockname()[1]}"], env=manager.environment(),
                                 capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn("Address already in use", run.stderr)
        self.assertEqual(manager.all(), ["STOPPING=1"])

    def test_a_second_one_is_ready_too(self):
        manager = self.manager(f"{DIR}/second.sock")
        first = self.daemon("second")
        until(first.at_work, "the first one never works")
        self.daemon("second", process={"env": manager.environment(), "preexec_fn": die_with_parent})
        self.assertEqual(manager.await_line("READY=1"), ["STATUS=standing by"])
        first.process.kill()
        manager.await_line("STATUS=at work")

    def test_watchdog(self):
        """Pings come while both threads go on, and none while one of them does not."""
        manager = self.manager(f"{DIR}/watchdog.sock")
        daemon = self.daemon("watchdog", process={
            "env": manager.environment(WATCHDOG_USEC="200000"), "preexec_fn": die_with_parent})
        for _ in range(3):
            manager.await_line("WATCHDOG=1")
        for thread in "keeper", "ringdexd":
            with stopped_thread(daemon.process.pid, thread):
                if thread == "keeper":  # requests go on, and some pass between two pings that are due
                    for _ in range(20):
                        daemon.ask("GET", "/health")
                manager.all()
                manager.socket.settimeout(1)
                with self.assertRaises(TimeoutError):
                    # one may still be due for what was done before the stop; of one that is stuck its status comes
                    manager.await_line("WATCHDOG=1"), manager.await_line("WATCHDOG=1")
                manager.socket.settimeout(PATIENCE_S)
            manager.await_line("WATCHDOG=1")

    def test_an_indexer_that_does_not_go_on(self):
        """Whoever asks is told so, while requests are answered."""
        daemon = self.daemon("stuck")
        until(daemon.at_work, "it never works")
        with stopped_thread(daemon.process.pid, "keeper"):
            until(lambda: daemon.ask("GET", "/health") == (503, {"status": "unavailable", "indexer": "stuck"}),
                  "it is called well")
            self.assertIn("\nringdex_indexer_up 0\n", daemon.ask("GET", "/metrics")[1])
        until(daemon.at_work, "it is never well again")

    def test_a_watchdog_of_another(self):
        manager = self.manager(f"{DIR}/other.sock")
        self.daemon("other", process={"env": manager.environment(WATCHDOG_USEC="20000", WATCHDOG_PID="1"),
                                      "preexec_fn": die_with_parent})
        manager.await_line("READY=1")
        manager.socket.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            manager.await_line("WATCHDOG=1")

    def test_a_manager_that_is_not_there(self):
        daemon = self.daemon("alone", process={
            "env": {**os.environ, "NOTIFY_SOCKET": f"{DIR}/nobody.sock", "WATCHDOG_USEC": "1000"},
            "stderr": subprocess.PIPE, "preexec_fn": die_with_parent})
        until(daemon.at_work, "it never works")
        self.assertEqual(daemon.end(), 0)
        with daemon.process.stderr as errors:
            self.assertIn(f"service manager at {DIR}/nobody.sock", errors.read())

    @staticmethod
    def run_with(sockets, arguments, names="", stderr=None):
        """Passed as a manager passes them: from descriptor 3 on, to this very process."""
        def pass_on():
            die_with_parent()
            kept = [os.dup(given.fileno()) for given in sockets]  # whatever has these numbers
            for i, fd in enumerate([os.dup2(fd, 100 + i) for i, fd in enumerate(kept)]):
                os.dup2(fd, 3 + i)
            os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)),
                              LISTEN_FDNAMES=names)
        return subprocess.Popen([f"{BIN}/ringdexd", f"--wait={LOOP}", *arguments], preexec_fn=pass_on,
                                pass_fds=range(3, 3 + len(sockets)), stdout=subprocess.PIPE,
                                stderr=stderr, text=True)

    def test_passed_sockets(self):
        path = f"{DIR}/passed.sock"
        with contextlib.ExitStack() as stack:
            tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            file = stack.enter_context(socket.socket(socket.AF_UNIX))
            file.bind(path)
            file.listen()
            early = stack.enter_context(socket.create_connection(tcp.getsockname()))
            early.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            for _ in range(2):  # another one goes on with the same sockets
                process = self.run_with([tcp, file], [f"--dir={DIR}/passed"], "web:local")
                stack.callback(process.stdout.close)
                stack.callback(process.wait)
                stack.callback(process.kill)
                self.assertEqual(process.stdout.readline(),
                                 f"listening on 127.0.0.1:{tcp.getsockname()[1]}\n")
                self.assertEqual(process.stdout.readline(), f"listening on unix:{path}\n")
                for family, address in ((socket.AF_INET, tcp.getsockname()), (socket.AF_UNIX, path)):
                    with socket.socket(family) as client:
                        client.settimeout(PATIENCE_S)
                        client.connect(address)
                        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                        self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 "))
                process.terminate()
                self.assertEqual(process.wait(PATIENCE_S), 0)
                self.assertEqual(process.stdout.read(), "")  # no default address beside them
            self.assertTrue(os.path.exists(path))  # whose it is removes it
            self.assertTrue(early.recv(4096).startswith(b"HTTP/1.1 "))  # who came before it began

    def test_passed_sockets_that_are_none(self):
        with socket.socket() as deaf, socket.socket(type=socket.SOCK_DGRAM) as other, \
                socket.create_server(("0.0.0.0", 0)) as world, socket.socket(socket.AF_UNIX) as nameless:
            other.bind(("127.0.0.1", 0))
            nameless.bind(f"\0ringdex-test-{os.getpid()}")  # no mode keeps anybody from it, nor does a token
            nameless.listen()
            with open(f"{DIR}/none.txt", "w", encoding="ascii") as file:
                file.write("0123456789abcdef\n")
            for given, status, said in ((deaf, 1, "passed as 'web'"), (other, 1, "passed as 'web'"),
                                        (world, 2, "--token-file"), (nameless, 2, "--allow-users")):
                token = [f"--token-file={DIR}/none.txt"] if given is nameless else []
                process = self.run_with([given], [f"--dir={DIR}/none", *token], "web", subprocess.PIPE)
                errors = process.communicate(timeout=PATIENCE_S)[1]
                self.assertEqual(process.returncode, status)
                self.assertIn(said, errors)
                self.assertFalse(os.path.exists(f"{DIR}/none"))  # nothing else was begun

    def test_sockets_for_another(self):
        """What is meant for another process is not touched."""
        daemon = self.daemon("meant", process={
            "env": {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1"}, "preexec_fn": die_with_parent})
        until(daemon.at_work, "it never works")

    @unittest.skipUnless(shutil.which("systemd-sysusers"), "there is no systemd-sysusers")
    def test_the_user(self):
        """Whom the unit names is made of what is installed with it."""
        os.makedirs(f"{DIR}/root/etc")
        file = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../package/systemd/ringdexd.sysusers")
        run = subprocess.run(["systemd-sysusers", f"--root={DIR}/root", os.path.realpath(file)], capture_output=True,
                             text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        for name in "passwd", "group":
            with open(f"{DIR}/root/etc/{name}", encoding="ascii") as file:
                self.assertIn("\nringdex:", "\n" + file.read())

    @unittest.skipUnless(UNITS, "the units are not built")
    def test_the_file_of_the_unit(self):
        """What the page says of /etc/ringdex/ringdexd.conf: it is read if it is there."""
        with open(f"{UNITS}/ringdexd.service", encoding="ascii") as file:
            given = dict(line.split("=", 2)[1:] for line in file.read().splitlines() if line.startswith("Environment="))
        self.assertEqual(given, {"RINGDEXD_CONFIG": "-/etc/ringdex/ringdexd.conf"})
        environment = {**os.environ, "RINGDEXD_CONFIG": given["RINGDEXD_CONFIG"].replace("/etc/ringdex", DIR)}
        for text, status in ("", 422), ("no-register = yes\n", 403):
            if text:
                with open(f"{DIR}/ringdexd.conf", "w", encoding="ascii") as file:
                    file.write(text)
            daemon = self.daemon("configured", process={"env": environment, "preexec_fn": die_with_parent})
            self.assertEqual(daemon.ask("POST", "/register", {})[0], status)
            self.assertEqual(daemon.end(), 0)

    @unittest.skipUnless(UNITS, "the units are not built")
    def test_it_is_always_started_again(self):
        """Within a second, and however often it has failed before."""
        with open(f"{UNITS}/ringdexd.service", encoding="ascii") as file:
            unit, service = file.read().split("[Service]\n")
        self.assertIn("\nStartLimitIntervalSec=0\n", unit)
        self.assertIn("\nRestart=always\n", service)
        self.assertRegex(service, r"\nRestartSec=[1-9]\d{0,2}ms\n")

    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze")
    @unittest.skipUnless(UNITS, "the units are not built")
    def test_units(self):
        with open(f"{UNITS}/ringdexd.service", encoding="ascii") as file:
            unit = file.read()
        program = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
        os.makedirs(f"{DIR}/units")
        with open(f"{DIR}/units/ringdexd.service", "w", encoding="ascii") as file:
            file.write(unit.replace(program, f"ExecStart={BIN}/ringdexd"))
        shutil.copy(f"{UNITS}/ringdexd.socket", f"{DIR}/units")
        run = subprocess.run(["systemd-analyze", "verify", f"{DIR}/units/ringdexd.service",
                              f"{DIR}/units/ringdexd.socket"], capture_output=True, text=True)
        ours = [line for line in run.stderr.splitlines() if "ringdexd" in line]
        self.assertEqual((run.returncode, ours), (0, []), run.stderr)
        run = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=15",
                              f"{DIR}/units/ringdexd.service"], capture_output=True, text=True)
        if "unrecognized option" in run.stderr or "offline" in run.stderr:
            self.skipTest("this systemd-analyze is too old")
        self.assertEqual(run.returncode, 0, run.stdout[-300:])  # 1.5 of 10 at most


if __name__ == "__main__":
    unittest.main(argv=["test_service.py"], verbosity=2)
