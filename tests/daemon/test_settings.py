#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What ringdexd is told, where, and what it says: test_settings.py BIN_DIR io_uring|epoll DIR"""
import contextlib
import ctypes
import datetime
import json
import os
import re
import signal
import struct
import subprocess
import unittest

from rig import BIN, DIR, LOOP, PATIENCE_S, Daemon, die_with_parent, links, until

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) .")


def write(name, text):
    path = f"{DIR}/{name}"
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # some are tokens
        file.write(text if isinstance(text, bytes) else text.encode())
    return path


def check(*arguments, **variables):
    """--check-config: its status, and what it says."""
    run = subprocess.run([f"{BIN}/ringdexd", "--check-config", *arguments], capture_output=True, text=True,
                         env={**os.environ, **variables}, timeout=PATIENCE_S)
    return run.returncode, run.stderr


class Said:
    """What a daemon writes to standard error, from a file, so that it never waits for us."""

    def __init__(self, name):
        self.file = open(f"{DIR}/{name}.err", "w+", encoding="utf-8")

    def text(self):
        with open(self.file.name, encoding="utf-8") as file:
            return file.read()

    def lines(self):
        return self.text().splitlines()


class Case(unittest.TestCase):
    def daemon(self, name, *arguments, env=None, before=None):
        said = Said(name)
        self.addCleanup(said.file.close)

        def prepare():
            die_with_parent()
            if before:
                before()
        daemon = Daemon(name, *arguments, process={"stderr": said.file, "preexec_fn": prepare,
                                                   "env": {**os.environ, **(env or {})}})
        daemon.said = said
        self.addCleanup(daemon.close)
        return daemon


class Settings(Case):
    def hang_up(self, daemon, said):
        before = daemon.said.text().count(said)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.said.text().count(said) > before, f"'{said}' is never said")

    def test_rank_of_sources(self):
        """A flag wins over the environment, and that over the file; the directory shows who won."""
        config = write("rank.conf", f"# a comment\n[ringdexd]\ndir = {DIR}/file\n"
                                    f"listen = unix:{DIR}/a.sock\nlisten = unix:{DIR}/b.sock ; two\n")
        for env, flags, made in (({}, [], "file"), ({"RINGDEXD_DIR": f"{DIR}/environment"}, [], "environment"),
                                 ({"RINGDEXD_DIR": f"{DIR}/environment"}, [f"--dir={DIR}/flag"], "flag")):
            self.assertFalse(os.path.exists(f"{DIR}/{made}"))
            process = subprocess.Popen([f"{BIN}/ringdexd", f"--wait={LOOP}", *flags],
                                       env={**os.environ, "RINGDEXD_CONFIG": config, **env},
                                       stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
            said = [process.stdout.readline() for _ in range(2)]
            process.terminate()
            self.assertEqual(process.wait(PATIENCE_S), 0)
            self.assertEqual(process.stdout.read(), "")
            process.stdout.close()
            self.assertEqual(said, [f"listening on unix:{DIR}/{name}.sock\n" for name in "ab"])
            self.assertTrue(os.path.exists(f"{DIR}/{made}"))

    def test_another_name(self):
        """--loop is --wait: which place wins does not depend on the name."""
        config = write("loop.conf", "loop = poll\n")
        self.assertIn(f"{config}:1: loop: 'poll' is not one of", check(f"--config={config}")[1])
        config = write("both.conf", "wait = auto\nloop = epoll\n")
        self.assertIn("loop stands in line 1 already", check(f"--config={config}")[1])
        self.assertIn("RINGDEXD_LOOP: 'poll' is not one of", check(RINGDEXD_LOOP="poll")[1])
        self.assertEqual(check(RINGDEXD_LOOP="epoll"), (0, ""))
        config = write("uring.conf", "wait = io_uring\n")
        for env, flags in (({}, ["--loop=epoll"]), ({"RINGDEXD_WAIT": "io_uring"}, ["--loop=epoll"]),
                           ({"RINGDEXD_LOOP": "epoll"}, [])):
            process = subprocess.Popen(
                [f"{BIN}/ringdexd", f"--dir={DIR}/loop", "--listen=127.0.0.1:0", f"--config={config}", *flags],
                env={**os.environ, **env}, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
            with process.stdout:
                self.assertIn("listening", process.stdout.readline())
                rings = [link for link in links(process.pid) if "io_uring" in link]
                process.terminate()
                self.assertEqual(process.wait(PATIENCE_S), 0)
            self.assertEqual(rings, [], (env, flags))

    def test_lists_of_the_environment(self):
        """One variable has several; they take the place of the file's."""
        config = write("lists.conf", f"listen = unix:{DIR}/c.sock\n")
        daemon = subprocess.Popen(
            [f"{BIN}/ringdexd", f"--wait={LOOP}", f"--config={config}", f"--dir={DIR}/lists"],
            env={**os.environ, "RINGDEXD_LISTEN": f" unix:{DIR}/d.sock  unix:{DIR}/e.sock "},
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        with daemon.stdout:
            self.assertEqual([daemon.stdout.readline() for _ in range(2)],
                             [f"listening on unix:{DIR}/{name}.sock\n" for name in "de"])
            daemon.terminate()
            self.assertEqual(daemon.wait(PATIENCE_S), 0)

    def test_no_fault(self):
        token = write("right.txt", "0123456789abcdef\n")
        config = write("right.conf", f"\ufefflisten = [::1]:0\nlisten: 0.0.0.0:0\ntoken-file={token}\n"
                                     "\n  idle-timeout = 5m\nopen-to-all = no\n; done"
                                     f"\n#{'x' * 5000}\n  ;{'=' * 198}\n#{'y' * 197}\n#{'z' * 198}")
        self.assertEqual(check(f"--config={config}"), (0, ""))
        self.assertEqual(check(f"--config={config}", RINGDEXD_LOG="json"), (0, ""))

    def test_each_fault_is_named(self):
        long = "listen = " + "x" * 400
        lines = [(f"#{'x' * 400}", None), (" " * 300 + "# blanks", "too long"), ("connections = 0", "connections: '0' is not a whole number from 1 to 1000000"),
                 ("conections = 5", "there is no option 'conections'"),
                 ("idle-timeout = 5", "idle-timeout: '5' is not a duration"),
                 ("just a word", "there is no '='"),
                 (long, "too long"),
                 ("request-timeout = 1s", None),
                 ("  request-timeout = 2s", "request-timeout stands in line 8 already"),
                 ("check-config = yes", "there is no option 'check-config'"),
                 ("open-to-all = perhaps", "open-to-all: 'perhaps' is not yes or no"),
                 ("wait = poll", "wait: 'poll' is not one of auto, io_uring, epoll"),
                 ("listen =", "listen: '' is not a name"),
                 ("[other]", "there is no section 'other'"),
                 ("log = json", None), ("log = json", None)]
        config = write("wrong.conf", "\n".join(line for line, _ in lines) + "\n")
        status, said = check(f"--config={config}")
        self.assertEqual(status, 2)
        for number, (line, fault) in enumerate(lines, 1):
            found = [text for text in said.splitlines() if f"{config}:{number}: " in text]
            with self.subTest(line=line[:30]):
                self.assertEqual(len(found), fault is not None, said)
                self.assertIn(fault or "", found[0] if found else "")
        # a value is wrong also where another one wins; and it starts with none of them
        self.assertEqual(check(f"--config={config}", "--connections=5")[0], 2)
        self.assertEqual(subprocess.run([f"{BIN}/ringdexd", f"--config={config}"], timeout=PATIENCE_S,
                                        capture_output=True).returncode, 2)

    def test_faults_of_what_is_named(self):
        """What is seen only where it is looked at is told with its place too: also when it starts."""
        short = write("named.txt", "short\n")
        config = write("named.conf", "# first\nlisten = 8090\nlisten = 0.0.0.0:0\n\nlisten = localhost:nonsense\n"
                                     f"listen = unix:{'x' * 150}\n")
        faults = ((2, "8090 is no address"), (3, "0.0.0.0:0 can be reached from other hosts"),
                  (5, "cannot find the address localhost:nonsense"), (6, "a socket's path has"))
        status, said = check(f"--config={config}")
        self.assertEqual((status, len(said.splitlines())), (2, len(faults)), said)
        for line, fault in faults:
            self.assertRegex(said, re.escape(f"{config}:{line}: ") + ".*" + re.escape(fault))
        said = check(f"--config={config}", "--listen=127.0.0.1:0", RINGDEXD_TOKEN_FILE=short)[1]
        self.assertEqual(len(said.splitlines()), 1, said)
        self.assertIn(f"RINGDEXD_TOKEN_FILE: the token in {short}", said)
        self.assertIn("RINGDEXD_LISTEN: x is no address", check(RINGDEXD_LISTEN="[::1]:0 x")[1])
        for text, fault in (("listen = 8090", "8090 is no address"), ("listen = 0.0.0.0:0", "can be reached"),
                            ("listen = [::1]:65536", "a number from 0 to 65535"),
                            ("listen = 127.0.0.1:18446744073709551617", "a number from 0 to 65535"),
                            (f"token-file = {short}", "the token in")):
            config = write("named.conf", f"\n{text}\n")
            run = subprocess.run([f"{BIN}/ringdexd", f"--config={config}", f"--dir={DIR}/named"],
                                 capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual(run.returncode, 2)
            self.assertRegex(run.stderr, re.escape(f"{config}:2: ") + ".*" + re.escape(fault))
            self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)  # nothing else was begun
            self.assertFalse(os.path.exists(f"{DIR}/named"))

    def test_a_file_that_need_not_be_there(self):
        """As the unit names one: what stands in it holds, and what is wrong with it is said, if it is there."""
        path = f"{DIR}/perhaps.conf"
        self.assertEqual(check(f"--config=-{path}"), (0, ""))
        daemon = self.daemon("perhaps", env={"RINGDEXD_CONFIG": f"-{path}"})
        write("perhaps.conf", "no-register = yes\n")
        self.hang_up(daemon, "the configuration was read again")
        self.assertEqual(daemon.ask("POST", "/register", {})[0], 403)
        os.remove(path)
        self.hang_up(daemon, "the configuration was read again")
        self.assertEqual(daemon.ask("POST", "/register", {})[0], 422)
        write("perhaps.conf", "conections = 5\n")
        self.assertRegex(check(f"--config=-{path}")[1], re.escape(f"{path}:1: there is no option"))
        for there_is_none in f"-{DIR}", "-", path + ".none":
            status, said = check(f"--config={there_is_none}")
            self.assertEqual(status, 2)
            self.assertIn("cannot read", said)

    def test_faults_elsewhere(self):
        short = write("short.txt", "short\n")
        for arguments, variables, fault in (
                ([f"--config={DIR}/nothing.conf"], {}, "cannot read"),
                ([f"--config={DIR}"], {}, "cannot read"),
                ([], {"RINGDEXD_CONNECTIONS": "-1"}, "RINGDEXD_CONNECTIONS: '-1' is not"),
                ([f"--token-file={short}"], {}, "16 to"), (["--listen=8090"], {}, "is no address"),
                (["--listen=0.0.0.0:0"], {}, "--token-file"), (["--listen=unix:"], {}, "is no address")):
            status, said = check(*arguments, **variables)
            self.assertEqual(status, 2, fault)
            self.assertIn(fault, said)
        # what Kubernetes adds, of a service called ringdexd, is no fault, and said to who asks
        status, said = check(RINGDEXD_PORT="tcp://10.0.0.1:8090")
        self.assertEqual(status, 0)
        self.assertIn("RINGDEXD_PORT", said)

    def test_reload(self):
        token = write("reload.txt", "0123456789abcdef\n")
        config = write("reload.conf", f"token-file = {token}\nlog-level = info\n")
        daemon = self.daemon("reload", f"--config={config}")

        def status(text):
            """Of one who asks again where an idle-timeout was shorter than what lay between connecting and asking."""
            def asked():
                with contextlib.suppress(ConnectionError):
                    return daemon.ask("GET", "/workers", Authorization=f"Bearer {text}")[0]
            return until(asked, "it hangs up, again and again")
        self.assertEqual(status("0123456789abcdef"), 200)
        write("reload.txt", "fedcba9876543210\n")
        self.assertEqual(status("0123456789abcdef"), 200)
        self.hang_up(daemon, "the configuration was read again")
        self.assertEqual((status("0123456789abcdef"), status("fedcba9876543210")), (401, 200))
        # limits, and what cannot change, which is said
        write("reload.conf", f"token-file = {token}\nlog-level = debug\nidle-timeout = 50ms\nwait = epoll\n"
                             f"dir = {DIR}/elsewhere\nworker-ranks = 3\n")
        client = daemon.connect()
        self.hang_up(daemon, "the configuration was read again")
        for said in ("idle-timeout has changed", "worker-ranks is another one now: restart"):
            self.assertIn(said, daemon.said.text())
        self.assertNotIn("dir is another one", daemon.said.text())  # the flag holds
        client.close()
        with daemon.connect() as idle:
            self.assertEqual(idle.recv(1), b"")  # before the five minutes of the start
        # all or nothing
        write("reload.conf", f"token-file = {token}\nidle-timeout = 1h\nconnections = none\n")
        self.hang_up(daemon, "the configuration stays as it was")
        self.assertIn(f"{config}:3: connections", daemon.said.text())
        with daemon.connect() as idle:
            self.assertEqual(idle.recv(1), b"")
        write("reload.conf", f"token-file = {DIR}/gone.txt\n")
        self.hang_up(daemon, "the configuration stays as it was")
        self.assertEqual(status("fedcba9876543210"), 200)
        for _ in range(50):
            daemon.process.send_signal(signal.SIGHUP)
        self.assertEqual(status("fedcba9876543210"), 200)
        self.assertEqual(daemon.end(), 0)

    def test_a_signal_during_the_start(self):
        """SIGHUP while it reads its token from a pipe, which a start waits for: it ends nothing, and is read later."""
        token = f"{DIR}/slow.txt"
        os.mkfifo(token, 0o600)
        said = Said("slow")
        self.addCleanup(said.file.close)
        process = subprocess.Popen([f"{BIN}/ringdexd", f"--wait={LOOP}", f"--dir={DIR}/slow", "--listen=127.0.0.1:0",
                                    f"--token-file={token}"], stdout=subprocess.PIPE, stderr=said.file, text=True,
                                   preexec_fn=die_with_parent)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        with open(token, "w", encoding="ascii") as pipe:  # once it is opened there, too
            process.send_signal(signal.SIGHUP)
            pipe.write("0123456789abcdef\n")
        self.assertTrue(process.stdout.readline().startswith("listening on "), said.text())
        until(lambda: "the configuration stays as it was" in said.text(), "it is never read again")
        self.assertIn(f"cannot read a token from {token}: it is a pipe", said.text())

    def test_a_reload_waits_for_nobody(self):
        """Neither for a token nor for a configuration that is a pipe by now: requests go on, and so does the end."""
        paths = {"--token-file": write("pipe.txt", "0123456789abcdef\n"), "--config": write("pipe.conf", "log = text\n")}
        for option, path in paths.items():
            with self.subTest(option=option):
                daemon = self.daemon("pipe", f"{option}={path}")
                os.remove(path)
                os.mkfifo(path, 0o600)
                self.hang_up(daemon, "the configuration stays as it was")
                self.assertIn(f"{path}: it is a pipe, which is read at the start only", daemon.said.text())
                self.assertEqual(daemon.ask("GET", "/workers", Authorization="Bearer 0123456789abcdef")[0], 200)
                self.assertEqual(daemon.end(), 0)

    def test_lines(self):
        daemon = self.daemon("lines", "--log-level=debug")
        until(daemon.at_work, "it never works")
        # the path of a request is another's text
        daemon.ask("GET", "/a%0aerror%1b[2J")
        with daemon.connect() as client:
            client.sendall(b"GET /\x80\xc2\x85x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.recv(100)
        self.assertEqual(daemon.end(), 0)
        for line in daemon.said.lines():
            self.assertRegex(line, LINE)
            self.assertTrue(line.isprintable(), line)
        self.assertRegex(daemon.said.text(), r"info maintaining the indexes\n")
        self.assertRegex(daemon.said.text(), r"debug /health: 200 in \d+ us\n")
        then = datetime.datetime.fromisoformat(daemon.said.lines()[0].split(" ")[0].replace("Z", "+00:00"))
        self.assertLess(abs(datetime.datetime.now(datetime.timezone.utc) - then), datetime.timedelta(hours=1))

    def test_json_lines(self):
        name = "json\n\"\x1b"
        daemon = self.daemon("json", "--log=json", "--log-level=debug")
        until(daemon.at_work, "it never works")
        daemon.ask("GET", "/%22\\u000a\"")
        self.assertEqual(daemon.end(), 0)
        lines = [json.loads(line) for line in daemon.said.lines()]
        for line in lines:
            self.assertEqual(list(line), ["time", "level", "message"])
        self.assertIn(("info", "maintaining the indexes"),
                      [(line["level"], line["message"]) for line in lines])
        # also of what cannot be done, with a name that would be two lines
        run = subprocess.run([f"{BIN}/ringdexd", "--log=json", f"--dir={DIR}/{name}/none/below"],
                             capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual(run.returncode, 1)
        said = [json.loads(line) for line in run.stderr.splitlines()]
        self.assertEqual([line["level"] for line in said], ["error"])
        self.assertIn(name, said[0]["message"])

    def test_levels(self):
        daemon = self.daemon("levels", "--log-level=error")
        until(daemon.at_work, "it never works")
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(daemon.said.text(), "")

    def test_clean_dead_for(self):
        """What is dead goes, and that is said; what lives stays. Without the option nothing goes."""
        cleans, keeps = self.daemon("cleans", "--clean-dead-for=1ms"), self.daemon("keeps")
        feeds = []

        def feed(daemon, worker):
            process = subprocess.Popen([f"{BIN}/ringdex-feed", f"--dir={daemon.directory}", "--block-tokens=2",
                                        "--hold", "-"], stdin=subprocess.PIPE, preexec_fn=die_with_parent)
            feeds.append(process)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            process.stdin.write(b'{"worker":%d,"type":"stored","names":[1],"token_ids":[5,6],"block_size":2}\n'
                                % worker)
            process.stdin.close()
            segment = f"{daemon.directory}/{worker}/0.seg"
            until(lambda: os.path.exists(segment), "it is never published")
            return segment
        lives, dead, kept = feed(cleans, 1), feed(cleans, 2), feed(keeps, 2)
        for process in feeds[1:]:
            process.kill()
        until(lambda: not os.path.exists(dead), "it is never removed")
        until(lambda: "info removed 2/0.seg, which was dead: " in cleans.said.text(), "it is never said")
        self.assertTrue(os.path.exists(lives))
        self.assertTrue(os.path.exists(kept))

    def test_limits_of_workers(self):
        """As of ringdex follow: one worker may have no rank, or its segments no bytes, beyond them."""
        help_text = subprocess.run([f"{BIN}/ringdexd", "--help"], capture_output=True, text=True).stdout
        other = subprocess.run([f"{BIN}/ringdex-follow", "--help"], capture_output=True, text=True).stdout
        for option in ("stale-after", "initial-blocks", "worker-ranks", "worker-columns", "worker-indexes",
                       "worker-gib", "user-ranks"):
            self.assertIn(f"--{option}=", help_text)
            self.assertIn(f"--{option}=", other)
        daemon = self.daemon("limits", "--worker-columns=2")
        with subprocess.Popen([f"{BIN}/ringdex-feed", f"--dir={daemon.directory}", "--block-tokens=2", "--hold",
                               "-"], stdin=subprocess.PIPE, preexec_fn=die_with_parent) as feed:
            feed.stdin.write(b'{"worker":1,"type":"stored","names":[1],"token_ids":[5,6],"block_size":2,'
                             b'"tier":"host"}\n')
            feed.stdin.close()
            try:
                until(lambda: "ringdex_indexer_ranks_refused 1\n" in daemon.ask("GET", "/metrics")[1],
                      "it is not refused")
            finally:
                feed.kill()


class Seccomp(Case):
    """Under a filter that refuses io_uring, as containers have it."""
    REFUSED = range(425, 428)  # io_uring_setup, _enter, _register: the same on every architecture

    @classmethod
    def refuse(cls):
        load, jump_equal, give_back = 0x20, 0x15, 0x06
        allow, refuse = 0x7FFF0000, 0x00050000 | 1  # EPERM
        code = [(load, 0, 0, 0)]
        for i, number in enumerate(cls.REFUSED):
            code.append((jump_equal, len(cls.REFUSED) - i, 0, number))
        code += [(give_back, 0, 0, allow), (give_back, 0, 0, refuse)]
        program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in code))
        head = ctypes.create_string_buffer(struct.pack("HP", len(code), ctypes.addressof(program)))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_void_p] * 4
        if libc.prctl(38, 1, 0, 0, 0) < 0 or libc.prctl(22, 2, ctypes.addressof(head), 0, 0) < 0:
            os._exit(99)  # PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP

    def test_auto(self):
        daemon = self.daemon("auto", "--wait=auto", before=self.refuse)
        until(daemon.at_work, "it never works")
        until(lambda: "warning io_uring is not available here: epoll is used" in daemon.said.text(), "it is never said")
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
            self.assertIn("Seccomp:\t2", file.read())
        found = links(daemon.process.pid)
        self.assertIn("anon_inode:[eventpoll]", found)
        self.assertNotIn("anon_inode:[io_uring]", found)
        self.assertEqual(daemon.end(), 0)

    def test_io_uring_alone(self):
        run = subprocess.run([f"{BIN}/ringdexd", "--wait=io_uring", f"--dir={DIR}/alone"],
                             capture_output=True, text=True, timeout=PATIENCE_S, preexec_fn=self.refuse)
        self.assertEqual(run.returncode, 1)
        self.assertIn("io_uring is not available here (Operation not permitted): use --wait auto or "
                      "--wait epoll", run.stderr)


if __name__ == "__main__":
    unittest.main(argv=["test_settings.py"], verbosity=2)
