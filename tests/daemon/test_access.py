#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may ask ringdexd, from its start on and after it has read its configuration again: test_access.py BIN_DIR
io_uring|epoll DIR"""
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import test_service
from rig import BIN, DIR, LOOP, PATIENCE_S, Daemon, die_with_parent, read_answer, until

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
        said = until(lambda: any(one in self.said()[len(before):] for one in (READ, REFUSED)) and
                     self.said()[len(before):], "it never says that it has read it")
        assert outcome in said, said
        return said

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


def own_address():
    """One that other hosts reach; None: there is none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
        return None if address.startswith("127.") else address


class Pages(unittest.TestCase):
    """Those of other sites, in a browser of this host, are not answered where nothing else keeps them out."""

    OURS = ([], ["Host: localhost"], ["Host: LOCALHOST:1"], ["Host: 127.0.0.1:8090"], ["Host: [::1]"], ["Host: [::1]:80"],
            ["Host: 10.0.0.1"], ["Host:"], ["Host: localhost", "Host: LocalHost \t"], ["Host: 127.1:7"],
            ["Host: localhost:8090", "Origin: http://localhost:8090"], ["Origin: https://[::1]:1", "Host: [::1]:1"])
    NAMES = (["Host: evil.example:8090"], ["Host: evil.example", "Origin: http://evil.example"], ["Host: 127.1.evil.example"],
             ["Host: localhost.evil.example:8090"], ["Host: localhost."], ["Host: 127.2"], ["Host: unix"])
    OTHERS = (["Host: localhost", "Origin: http://evil.example"], ["Host: localhost", "Origin: null"],
              ["Host: localhost", "Origin:"], ["Host: localhost:8090", "Origin: http://localhost"], ["Origin: http://localhost"],
              ["Host: localhost", "Origin: http://localhost", "Origin: http://evil.example"],
              ["Host: localhost", "Host: evil.example"], ["Host: " + "x" * 300], ["Host: " + "x" * 1500])
    WRONG = (["Host: localhost:x"], ["Host: [evil]"], ["Host: [::1"], ["Host: [::1]x"], ["Host: " + "[" + ":" * 200 + "]"])

    def statuses(self, connect, headers):
        """Of who asks, and of who would start a process."""
        body = json.dumps(ENGINE).encode()
        found = []
        for line in "GET /workers", "POST /register":
            with connect() as client, client.makefile("rb") as stream:
                client.sendall("\r\n".join([f"{line} HTTP/1.1", "Content-Type: application/json", "Connection: close",
                                            f"Content-Length: {len(body)}", *headers, "", ""]).encode() + body)
                answer = stream.read()
                found.append(int(answer.split()[1]))
                if found[0] == 403:
                    self.assertIn(b"a page of another site", answer)
        return tuple(found)

    def check(self, connect, cases, *outcomes):
        for headers in cases:
            with self.subTest(headers=headers):
                self.assertIn(self.statuses(connect, headers), outcomes)

    def test_on_this_host(self):
        path = f"{DIR}/pages.sock"
        daemon = Daemon("pages", f"--listen=unix:{path}", "--listen=127.1:0", "--bridge=/bin/true")
        self.addCleanup(daemon.close)
        self.check(daemon.connect, (*self.NAMES, *self.OTHERS, *self.WRONG), (403, 403))
        self.assertEqual(daemon.ask("GET", "/workers"), (200, []))
        self.check(daemon.connect, (*self.OURS, [f"Host: {socket.gethostname()}:8090"]), (200, 201), (200, 409))
        self.check(lambda: connect_as(None, path), (*self.NAMES, *self.OTHERS, *self.WRONG), (200, 409))

    def test_a_token_says_more(self):
        daemon = Told("sites", f"token-file = {write('sites.txt', TOKEN)}\nlisten = {EVERYWHERE}:0\n")
        self.addCleanup(daemon.close)
        self.check(daemon.connect, ([*headers, f"Authorization: Bearer {TOKEN}"] for headers in (*self.NAMES, *self.OTHERS)),
                   (200, 201), (200, 409))

    @unittest.skipUnless(own_address(), "this host has no other address than its own")
    def test_open_to_all(self):
        """By which names it is reached nobody knows; other sites' pages may not, nor on this host by any name."""
        daemon = Told("open", f"listen = {EVERYWHERE}:0\nopen-to-all = yes\n")
        self.addCleanup(daemon.close)
        self.check(daemon.connect, (*self.NAMES, *self.OTHERS), (403, 403))

        def connect():
            return socket.create_connection((own_address(), daemon.port), timeout=PATIENCE_S)
        for headers, status in (*((headers, 200) for headers in (*self.OURS, *self.NAMES)),
                                *((headers, 403) for headers in self.OTHERS)):
            with self.subTest(headers=headers):
                self.assertEqual(self.statuses(connect, headers)[0], status)


class TokenFile(unittest.TestCase):
    """Whose mode is as ssh wants it of its own."""

    def test_who_may_write_it(self):
        """Others would say who may ask: it is refused, by a reload too."""
        for mode in 0o620, 0o660, 0o602, 0o666, 0o777:
            path = write("token.txt", TOKEN, mode)
            for check in [], ["--check-config"]:
                status, said = start(f"--dir={DIR}/token", f"--token-file={path}", *check)
                self.assertEqual((status, len(said.splitlines())), (2, 1), said)
                self.assertIn(f"others than its owner may write {path}, which has mode {mode:04o}: chmod go-w", said)
        daemon = Told("modes", f"token-file = {write('token.txt', TOKEN)}\nlisten = {EVERYWHERE}:0\n")
        self.addCleanup(daemon.close)
        write("token.txt", TOKEN[::-1], 0o666)
        self.assertIn(f"{DIR}/modes.conf:1: others than its owner may write",
                      daemon.reads(f"token-file = {DIR}/token.txt\n", REFUSED))
        self.assertEqual(daemon.statuses(TOKEN), (200, 201))

    def test_who_may_read_it(self):
        """A warning where all may: Kubernetes and Docker make such."""
        for mode, warned in ((0o600, 0), (0o640, 0), (0o400, 0), (0o644, 1), (0o444, 1)):
            path = write("readable.txt", TOKEN, mode)
            status, said = start("--check-config", f"--token-file={path}")
            self.assertEqual((status, len(said.splitlines())), (0, warned), said)
            if warned:
                self.assertRegex(said, f"warning all users of this host may read the token in {path}, .*: chmod o-r")


def connect_as(user, path):
    """A socket that a process of that user, in no group of others, has connected; None: of the test's own."""
    client = socket.socket(socket.AF_UNIX)
    child = os.fork()
    if child == 0:
        try:
            if user is not None:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            os._exit(client.connect_ex(path))
        except OSError as fault:  # of a root that may not become others
            os._exit(fault.errno)
    error = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if error:
        client.close()
        raise OSError(error, os.strerror(error))
    client.settimeout(PATIENCE_S)
    return client


def ask_as(user, path, request="GET /workers"):
    """All that is read, up to the connection's end."""
    with connect_as(user, path) as client, client.makefile("rb") as stream:
        client.sendall(f"{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return stream.read().decode()


def status_as(user, path, request="GET /workers"):
    return int(ask_as(user, path, request).split()[1])


class Users(unittest.TestCase):
    """Who may ask over a Unix socket. Numbers of users need no names."""

    def daemon(self, name, *arguments):
        """One with a Unix socket that its file lets everybody connect to, in a folder that everybody may enter."""
        folder = tempfile.mkdtemp(prefix="ringdex-access-")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        self.path = f"{folder}/socket"
        daemon = Daemon(name, f"--listen=unix:{self.path}", *arguments)
        self.addCleanup(daemon.close)
        self.assertEqual(daemon.process.stdout.readline(), f"listening on unix:{self.path}\n")
        os.chmod(self.path, 0o666)
        return daemon

    def statuses(self, *users):
        return [status_as(user, self.path) for user in users]

    def test_faults(self):
        """Of the command line, the environment and a file, with their places."""
        config = write("users.conf", "# first\nallow-users = root, no-such-user\n")
        wrong = "allow-users: 'no-such-user' is no user of this host"
        for arguments, variables, said in (
                ([f"--config={config}"], {}, f"{config}:2: {wrong}"),
                ([], {"RINGDEXD_ALLOW_USERS": "no-such-user"}, f"RINGDEXD_ALLOW_USERS: {wrong}"),
                (["--allow-users=0,no-such-user"], {}, wrong), (["--allow-users=4294967295"], {}, "is no user"),
                (["--allow-users=-1"], {}, "is no user"), (["--allow-users=" + "x" * 1000], {}, "is no user"),
                (["--allow-users= , "], {}, "nobody is named"), (["--allow-users="], {}, "allow-users"),
                (["--allow-users=" + ",".join(map(str, range(65)))], {}, "at most 64 users")):
            for check in [], ["--check-config"]:
                status, text = start(f"--dir={DIR}/nobody", *check, *arguments, **variables)
                self.assertEqual(status, 2, text)
                self.assertIn(said, text)
        self.assertEqual(start("--check-config", "--allow-users=root, 0,1001,4294967294"), (0, ""))

    def test_own_user(self):
        """Whoever runs this may ask, whomever it allows."""
        self.daemon("own", "--allow-users=4294967294")
        self.assertEqual(status_as(None, self.path), 200)

    @unittest.skipUnless(os.geteuid() == 0, "only root has processes of several users")
    def test_who_may_ask(self):
        write("may.conf", "allow-users = 1001 ,nobody\n")
        daemon = self.daemon("may", f"--config={DIR}/may.conf")
        nobody = pwd.getpwnam("nobody").pw_uid
        self.assertEqual(self.statuses(0, 1001, nobody, 1002), [200, 200, 200, 403])
        # whatever is asked for, and in its form
        for request, said in (("GET /health", "text/plain"), ("POST /query", "text/plain"), ("GET /", "text/plain"),
                              ("GET /none", "text/plain"), ("GET /v1/workers", "application/json")):
            with self.subTest(request=request):
                answer = ask_as(1002, self.path, request)
                self.assertTrue(answer.startswith("HTTP/1.1 403 "), answer)
                for text in said, "Connection: close", "--allow-users names those that may":
                    self.assertIn(text.lower(), answer.lower())
        self.assertEqual(daemon.ask("GET", "/workers")[0], 200)  # TCP is not asked for users
        # an open connection is judged at each request
        with connect_as(1001, self.path) as client, client.makefile("rb") as stream:
            for outcome in 200, 403:
                client.sendall(b"GET /workers HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(read_answer(stream)[0], outcome)
                write("may.conf", "allow-users = 1002\n")
                daemon.process.send_signal(signal.SIGHUP)
                until(lambda: self.statuses(1001, 1002) == [403, 200], "it is never read again")
            self.assertEqual(stream.read(), b"")
        # everybody again
        write("may.conf", "")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: self.statuses(1001, 1002) == [200, 200], "it is never read again")
        self.assertEqual(daemon.end(), 0)

    @unittest.skipUnless(os.geteuid() == 0, "only root has processes of several users")
    def test_all_whom_the_file_lets_in(self):
        """Without the option."""
        self.daemon("all-users")
        self.assertEqual(self.statuses(0, 1001), [200, 200])
        os.chmod(self.path, 0o660)
        with self.assertRaises(PermissionError):
            status_as(1001, self.path)

    @unittest.skipUnless(os.geteuid() == 0, "only root has processes of several users")
    def test_a_socket_that_was_passed(self):
        with tempfile.TemporaryDirectory(prefix="ringdex-access-") as folder, \
                socket.socket(socket.AF_UNIX) as passed:
            os.chmod(folder, 0o755)
            passed.bind(f"{folder}/socket")
            passed.listen()
            os.chmod(f"{folder}/socket", 0o666)
            process = test_service.Service.run_with([passed], [f"--dir={DIR}/users", "--allow-users=1001"])
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.assertEqual([status_as(user, f"{folder}/socket") for user in (1001, 1002)], [200, 403])

    def test_a_socket_without_a_file(self):
        """Of those that a manager passes: no mode keeps anybody out, so that users must be named, and stay so."""
        address = f"\0ringdex-access-{os.getpid()}"

        def told():
            with open(f"{DIR}/abstract.err", encoding="utf-8") as file:
                return file.read()
        with socket.socket(socket.AF_UNIX) as passed:
            passed.bind(address)
            passed.listen()
            write("abstract.conf", "allow-users = root\n")
            with open(f"{DIR}/abstract.err", "w", encoding="utf-8") as said:
                process = test_service.Service.run_with(
                    [passed], [f"--dir={DIR}/abstract", f"--config={DIR}/abstract.conf"], stderr=said)
                self.addCleanup(process.stdout.close)
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                self.assertEqual(process.stdout.readline(), f"listening on unix:@{address[1:]}\n")
                self.assertEqual(status_as(None, address), 200)
                write("abstract.conf", "")
                process.send_signal(signal.SIGHUP)
                until(lambda: REFUSED in told(), "it is open to everybody")
                self.assertIn("has no file whose mode says who may connect: keep allow-users", told())


if __name__ == "__main__":
    unittest.main(argv=["test_access.py"], verbosity=2)
