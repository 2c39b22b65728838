#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The installed service under a real systemd, on a machine of its own: machine.py. What the unit promises of start,
sockets, reload, restart, watchdog and stop, what its hardening leaves to ringdexd and its bridges, and what not.

test_booted.py BIN_DIR auto DIR; RDX_BUILD, RDX_PREFIX in the environment: what to install, and where it is built for.
In the machine it is run again."""
import contextlib
import errno
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import machine
from rig import BIN, DIR, HELD, NOTHING, PATIENCE_S, PROMPT, Daemon, query, until, worker
from test_hardened import descriptors, privileges, status_of
from test_register import held, register
from zmq_engine import Engine

SERVICE, SOCKET = "ringdexd.service", "ringdexd.socket"
DROP_IN = f"/run/systemd/system/{SERVICE}.d"
LOCAL = "/run/ringdexd.sock"
NAMESPACE = "/dev/shm/ringdex"
CONFIGURATION = "/etc/ringdex/ringdexd.conf"


def systemctl(*arguments):
    run = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        raise AssertionError(run.stderr + journal())


def show(name, unit=SERVICE):
    return subprocess.run(["systemctl", "show", "--value", f"--property={name}", unit], capture_output=True,
                          text=True, check=True).stdout.strip()


def journal():
    return subprocess.run(["journalctl", "--no-pager", f"--unit={SERVICE}", f"--unit={SOCKET}"], capture_output=True,
                          text=True, check=True).stdout


def processes():
    """All of the service: the daemon and its bridges."""
    if not (group := show("ControlGroup")):
        return set()
    for root in "/sys/fs/cgroup", "/sys/fs/cgroup/systemd":
        with contextlib.suppress(FileNotFoundError), open(f"{root}{group}/cgroup.procs", encoding="ascii") as file:
            return set(map(int, file.read().split()))
    return set()


class Installed(Daemon):
    """The service, as a Daemon of others' tests."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.port, self.directory = 8090, NAMESPACE

    @property
    def pid(self):
        return int(show("MainPID"))

    def bridges(self):
        return processes() - {self.pid}

    def close(self):
        pass


def connects_as(user, group, path=LOCAL):
    """0, or the error."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(grp.getgrnam(group).gr_gid)
            os.setuid(pwd.getpwnam(user).pw_uid)
            with socket.socket(socket.AF_UNIX) as client:
                os._exit(client.connect_ex(path))
        finally:
            os._exit(255)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def configure(text):
    os.makedirs(os.path.dirname(CONFIGURATION), exist_ok=True)
    with open(CONFIGURATION, "w", encoding="ascii") as file:
        file.write(text)


class Booted(unittest.TestCase):
    def setUp(self):
        self.daemon = Installed()
        self.addCleanup(shutil.rmtree, NAMESPACE, ignore_errors=True)
        self.addCleanup(shutil.rmtree, DROP_IN, ignore_errors=True)
        self.addCleanup(shutil.rmtree, os.path.dirname(CONFIGURATION), ignore_errors=True)
        self.addCleanup(systemctl, "stop", SOCKET, SERVICE)

    def start(self, *lines):
        """Both units, with a drop-in of these lines; as soon as systemd says so it is at work."""
        if lines:
            os.makedirs(DROP_IN)
            with open(f"{DROP_IN}/test.conf", "w", encoding="ascii") as file:
                file.write("\n".join(["[Service]", *lines, ""]))
        systemctl("daemon-reload")
        systemctl("reset-failed")
        systemctl("start", SOCKET, SERVICE)
        self.assertEqual((show("ActiveState"), show("StatusText")), ("active", "at work"))

    def engine(self, *arguments, **options):
        engine = Engine(*arguments, **options)
        self.addCleanup(engine.close)
        return engine

    def answers(self, expected):
        until(lambda: self.daemon.ask("POST", "/query", query(PROMPT)) == (200, expected), f"never {expected}")

    def registered(self, instance, engine):
        self.assertEqual(self.daemon.ask("POST", "/register", register(
            instance, engine.endpoint, replay_endpoint=engine.replay_endpoint))[0], 201)

    def is_another(self, pid):
        until(lambda: self.daemon.pid not in (0, pid) and show("ActiveState") == "active", "it is not started again")
        self.assertTrue(self.daemon.at_work())


class Life(Booted):
    def test_ready(self):
        self.start()
        pid = self.daemon.pid
        said = status_of(pid)
        user = pwd.getpwnam("ringdex")
        self.assertEqual(privileges(pid), ("1", "2", 0))
        self.assertEqual(said["Uid"].split(), [str(user.pw_uid)] * 4)
        self.assertEqual(said["Gid"].split(), [str(user.pw_gid)] * 4)
        self.assertIn("anon_inode:[io_uring]", descriptors(pid))
        self.assertTrue(self.daemon.at_work())

    def test_who_may_ask_the_unix_socket(self):
        self.start()
        at = os.stat(LOCAL)
        self.assertEqual((at.st_mode & 0o777, at.st_gid), (0o660, pwd.getpwnam("ringdex").pw_gid))
        for group, error in (("ringdex", 0), ("nogroup", errno.EACCES)):
            with self.subTest(group=group):
                self.assertEqual(connects_as("nobody", group), error)

    def test_the_socket_alone(self):
        """Who connects starts the service."""
        systemctl("start", SOCKET)
        self.assertEqual(show("ActiveState"), "inactive")
        self.assertIn(self.daemon.ask("GET", "/health")[0], (200, 503))  # 503: not at work yet
        until(self.daemon.at_work, "it never works")
        until(lambda: show("ActiveState") == "active", "systemd never hears of it")

    def test_the_service_alone(self):
        """It listens at its own address then."""
        systemctl("start", SERVICE)
        self.assertTrue(self.daemon.at_work())
        self.assertNotEqual(connects_as("root", "ringdex"), 0)

    def test_reload(self):
        configure("listen = unix:/run/ringdex/own.sock\n")
        self.start()
        pid = self.daemon.pid
        self.assertEqual(connects_as("nobody", "ringdex", "/run/ringdex/own.sock"), 0)
        configure("listen = unix:/run/ringdex/own.sock\nno-register = yes\n")
        self.assertEqual(self.daemon.ask("POST", "/register", {})[0], 422)
        systemctl("reload", SERVICE)
        until(lambda: self.daemon.ask("POST", "/register", {})[0] == 403, "it is never read again")
        self.assertEqual(self.daemon.pid, pid)

    def test_configuration(self):
        """Whoever writes the file and restarts the service, or reloads it, gets what it says."""
        self.start()
        token = f"{os.path.dirname(CONFIGURATION)}/token"
        configure(f"token-file = {token}\nallow-users = nobody\n")
        with open(token, "w", encoding="ascii") as file:
            file.write("0123456789abcdef")
        os.chmod(token, 0o640)
        shutil.chown(token, "root", "ringdex")
        for verb in "reload", "restart":
            self.assertEqual(self.daemon.ask("GET", "/workers")[0], 200)
            systemctl(verb, SERVICE)
            until(lambda: self.daemon.ask("GET", "/workers")[0] == 401, "it is never read")
            self.assertEqual(self.daemon.ask("GET", "/workers", Authorization="Bearer 0123456789abcdef")[0], 200)
            os.rename(CONFIGURATION, f"{CONFIGURATION}.away")
            systemctl("reload", SERVICE)
            until(lambda: self.daemon.ask("GET", "/workers")[0] == 200, "it is never read again")
            os.rename(f"{CONFIGURATION}.away", CONFIGURATION)

    def test_a_fault_in_the_configuration(self):
        """Is said once, and the service is not started again and again."""
        configure("# first\nconections = 5\n")
        with self.assertRaisesRegex(AssertionError, f"{CONFIGURATION}:2: there is no option 'conections'"):
            self.start()
        self.assertEqual((show("ActiveState"), show("ExecMainStatus"), show("NRestarts")), ("failed", "2", "0"))

    def test_a_restart_refuses_nobody(self):
        self.start()
        answers, is_over = [], threading.Event()

        def ask_on():
            while not is_over.is_set():
                try:
                    answers.append(self.daemon.ask("GET", "/health")[0])
                except OSError as error:
                    answers.append(error)
        with worker(NAMESPACE, user="ringdex"):
            self.answers(HELD)
            asking = threading.Thread(target=ask_on)
            asking.start()
            try:
                for _ in range(3):
                    systemctl("restart", SERVICE)
                    self.answers(HELD)
            finally:
                is_over.set()
                asking.join()
        self.assertEqual([one for one in answers if isinstance(one, ConnectionRefusedError)], [])
        self.assertIn(200, answers)

    def test_killed(self):
        """It is started again, and no bridge of the one before stays."""
        self.start()
        engine = self.engine()
        self.registered(7, engine)
        pid, bridges = self.daemon.pid, until(self.daemon.bridges, "no bridge is started")
        with worker(NAMESPACE, user="ringdex"):
            self.answers(HELD)
            os.kill(pid, signal.SIGKILL)
            self.is_another(pid)
            self.answers(HELD)
        self.assertEqual(show("NRestarts"), "1")
        self.assertEqual(processes() & bridges, set())

    def test_watchdog(self):
        """One that does not go on is started again."""
        self.start()
        pid, begun = self.daemon.pid, time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        self.is_another(pid)
        print(f"stopped, and another one is at work after {time.monotonic() - begun:.1f} s")
        self.assertIn("Watchdog timeout", journal())

    def test_stop(self):
        """With clients that stay, and bridges; what workers have in shared memory stays."""
        self.start()
        self.registered(7, self.engine())
        until(self.daemon.bridges, "no bridge is started")
        before = processes()
        with worker(NAMESPACE, user="ringdex"), contextlib.ExitStack() as stack:
            self.answers(HELD)
            for _ in range(10):
                client = stack.enter_context(self.daemon.connect())
                client.sendall(b"GET /v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertTrue(client.recv(1))
            begun = time.monotonic()
            systemctl("stop", SOCKET, SERVICE)
            print(f"{len(before)} processes stopped in {time.monotonic() - begun:.2f} s")
            self.assertTrue(os.path.exists(f"{NAMESPACE}/1/0.seg"))
        self.assertEqual((show("Result"), show("ActiveState"), processes()), ("success", "inactive", set()))
        self.assertFalse(any(os.path.exists(f"/proc/{pid}") for pid in before))


class Hardening(Booted):
    def test_bridges(self):
        self.start()
        local = self.engine(f"ipc:///run/engine-{os.getpid()}.sock")
        os.chmod(local.endpoint.removeprefix("ipc://"), 0o666)
        engines = {7: self.engine(), 8: local}
        for instance, engine in engines.items():
            self.registered(instance, engine)
            engine.store([11, 12], PROMPT[:8])
        both = {**held("7")["scores"], **held("8")["scores"]}
        until(lambda: self.daemon.ask("POST", "/query", query(PROMPT))[1].get("scores") == both, "they say nothing")
        bridges = self.daemon.bridges()
        self.assertEqual(len(bridges), 2)
        for bridge in bridges:
            self.assertEqual(privileges(bridge), ("1", "2", 0))
            os.kill(bridge, signal.SIGKILL)
        until(lambda: len(self.daemon.bridges() - bridges) == 2, "they are not started again")
        engines[7].store([13], PROMPT[8:12], 12)
        until(lambda: self.daemon.ask("POST", "/query", query(PROMPT))[1].get("scores") ==
              {"7": {"0": 12}, "8": {"0": 8}}, "they do not go on")
        for instance in engines:
            self.assertEqual(self.daemon.ask("POST", "/unregister",
                                             {"instance_id": instance, "model_name": "example"})[0], 200)
        until(lambda: not self.daemon.bridges(), "a bridge stays")
        self.answers(NOTHING)

    def test_what_it_may_write(self):
        """As the service sees it, as its user: nothing but shared memory and what goes with it."""
        for path in "/tmp/of-others", "/home/of-others":
            with open(path, "w", encoding="ascii") as file:
                file.write("x")
            os.chmod(path, 0o666)
        for path in "/run/writable", "/var/writable", "/etc/writable":  # what its user might write elsewhere
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o777)
        self.start()
        tries = "for p; do if ( : >$p/new ) 2>&-; then echo $p; fi; done; ls /tmp /home /proc/1"
        folders = ["/dev/shm", NAMESPACE, "/tmp", "/var/tmp", "/run/ringdex", "/run/writable", "/var/writable", "/etc/writable", "/dev",
                   "/usr/local", "/", "/proc/sys/net/ipv4", "/sys/fs/cgroup"]
        run = subprocess.run(["nsenter", f"--target={self.daemon.pid}", "--mount", "setpriv", "--reuid=ringdex",
                              "--regid=ringdex", "--clear-groups", "sh", "-c", tries, "sh", *folders],
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.stdout.split(), ["/dev/shm", NAMESPACE, "/tmp", "/var/tmp", "/run/ringdex", "/tmp:",
                                              "new"], run.stderr)
        self.assertFalse(os.path.exists("/tmp/new") or os.path.exists("/var/tmp/new"))
        os.remove("/dev/shm/new")

    def test_without_io_uring(self):
        """An administrator's own filter."""
        self.start("SystemCallFilter=~@aio")
        self.assertNotIn("anon_inode:[io_uring]", descriptors(self.daemon.pid))
        self.assertIn("warning io_uring is not available here: epoll is used", journal())
        engine = self.engine()
        self.registered(7, engine)
        engine.store([11, 12], PROMPT[:8])
        self.answers(held("7"))

    def test_workers_of_the_group(self):
        """A directory of root's for all of a group, as docs/operations.md has it; a worker of another user."""
        shutil.rmtree(NAMESPACE, ignore_errors=True)
        os.mkdir(NAMESPACE)
        shutil.chown(NAMESPACE, group="ringdex")
        os.chmod(NAMESPACE, 0o3775)
        self.start()
        with worker(NAMESPACE, user="nobody"):
            self.answers(HELD)


def boot():
    missing = machine.what_is_missing()
    if missing:
        print(missing)
        return 77
    status, said = machine.run(os.environ["RDX_BUILD"], os.environ["RDX_PREFIX"], DIR, os.path.realpath(__file__),
                               os.path.realpath(BIN), "auto", DIR)
    if status is None:
        print("no machine can be started here:")
    print(said)
    return 77 if status is None else status


if __name__ == "__main__":
    if machine.INSIDE not in os.environ:
        sys.exit(boot())
    unittest.main(argv=["test_booted.py"], verbosity=2)
