#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ringdex-doctor in situations that are really broken: test_doctor.py BIN_DIR DIR"""
import ctypes
import glob
import json
import mmap
import os
import platform
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import unittest

from crew import Feed, Follow, segments, until

BIN, DIR = sys.argv[1:3]
SOMEBODY = 12345
STRANGER = 54321
EPERM, EINVAL, ENOSYS = 1, 22, 38
IO_URING_SETUP, FCNTL, F_OFD_SETLK = 425, 72, 37  # FCNTL: of x86-64


def seccomp(call, error, argument=None):
    """From now on refuse a system call, or only one whose second argument is that."""
    def statement(code, value, yes=0, no=0):
        return struct.pack("HBBI", code, yes, no, value)
    load, equal, answer = 0x20, 0x15, 0x06
    program = statement(load, 0) + statement(equal, call, 0, 1 if argument is None else 3)
    if argument is not None:
        program += statement(load, 24) + statement(equal, argument, 0, 1)
    program += statement(answer, 0x00050000 | error) + statement(answer, 0x7fff0000)
    text = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, head, 0, 0) == 0, ctypes.get_errno()  # PR_SET_SECCOMP


class Doctor(unittest.TestCase):
    def setUp(self):
        self.dir = f"{DIR}/{self.id().rsplit('.', 1)[1]}"
        self.root = f"{DIR}/root"
        shutil.rmtree(self.root, ignore_errors=True)
        os.mkdir(self.root)

    def ask(self, *options, status=0, **process):
        """Its findings: check -> [(level, text, advice)]"""
        returned, findings = self.look(*options, **process)
        self.assertEqual(returned, status, findings)
        return findings

    def ask_at_work(self, *options, status=0, **process):
        """The same beside an indexer that is well: where it has no processor for a while, that is said."""
        returned, findings = until(lambda: self.well(*options, **process), "it is never well")
        self.assertEqual(returned, status, findings)
        return findings

    def well(self, *options, **process):
        returned, findings = self.look(*options, **process)
        return [row[0] for row in findings["indexer"]] == ["ok"] and (returned, findings)

    def look(self, *options, before=(), program=f"{BIN}/ringdex-doctor", **process):
        """Its exit status, and its findings."""
        done = subprocess.run([*before, program, f"--dir={self.dir}", "--json",
                               f"--root={self.root}", *options], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, **process)
        self.assertEqual(done.stderr, "", done.stdout)
        said = json.loads(done.stdout)
        findings = {}
        for row in said["findings"]:
            findings.setdefault(row["check"], []).append(
                (row["level"], row["finding"], row["advice"]))
        levels = ["ok", "note", "warning", "error"]
        self.assertEqual(said["worst"], max((level for rows in findings.values()
                                             for level, _, _ in rows), key=levels.index))
        return done.returncode, findings

    def expect(self, findings, check, level, part):
        rows = findings.get(check, [])
        self.assertTrue(any(row[0] == level and part in row[1] for row in rows),
                        f"no {level} '{part}' among {rows}")

    def worker(self, worker=1, **options):
        feed = Feed(BIN, self.dir, worker, **options)
        self.addCleanup(feed.close)
        feed.store(3)
        until(lambda: f"{worker}:0" in segments(BIN, self.dir), "the worker never comes")
        return feed

    def follow(self, *options):
        follow = Follow(BIN, self.dir, *options)
        self.addCleanup(follow.close)
        return follow

    def followed(self, *options, workers=(1,)):
        """Workers, and an indexer that has caught up with them."""
        for worker in workers:
            self.worker(worker)
        follow = self.follow(*options)
        until(lambda: all((row["index"] or {}).get("state") in ("EXACT", "STALE")
                          for row in segments(BIN, self.dir).values()), "never indexed")
        until(lambda: self.said_of_the_indexer("ok"), "it is never well")
        return follow

    def write(self, path, text):
        path = f"{self.root}/{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    def test_all_is_well(self):
        self.followed()
        findings = self.ask_at_work()
        self.expect(findings, "directory", "ok", self.dir)
        self.expect(findings, "key", "ok", "can be read")
        self.expect(findings, "permissions", "ok", "may write")
        self.expect(findings, "segments", "ok", "1 live, 0 dead, 0 unreadable")
        self.expect(findings, "indexer", "ok", "one runs, and was caught up")
        self.expect(findings, "stale", "ok", "nothing")
        self.expect(findings, "version", "ok", "segments of format 3")
        self.expect(findings, "locks", "ok", "work")
        self.assertEqual([row for check in ("mode", "owner", "segments", "indexer", "stale")
                          for row in findings.get(check, []) if row[0] != "ok"], [])
        table = subprocess.run([f"{BIN}/ringdex-doctor", f"--dir={self.dir}"], text=True,
                               stdout=subprocess.PIPE, check=False).stdout
        self.assertIn("1 live, 0 dead", table)

    def test_no_directory(self):
        self.expect(self.ask(), "directory", "warning", "not there")
        self.ask("--strict", status=1)
        self.dir += "/below"
        self.expect(self.ask(status=1), "directory", "error", "cannot be opened")
        self.dir = f"{DIR}/file"
        with open(self.dir, "wb"):
            pass
        self.expect(self.ask(status=1), "directory", "error", "Not a directory")

    def test_others_may_write(self):
        os.mkdir(self.dir)
        os.mkdir(f"{self.dir}/7")
        os.chmod(self.dir, 0o1777)
        os.chmod(f"{self.dir}/7", 0o777)
        findings = self.ask(status=1)
        self.expect(findings, "mode", "error", "7 in it may be written")
        os.chmod(f"{self.dir}/7", 0o755)
        self.assertNotIn("mode", self.ask())
        os.chmod(self.dir, 0o777)
        self.expect(self.ask(status=1), "mode", "error", "without the sticky bit")

    @unittest.skipIf(os.geteuid() != 0, "needs root, to be another user")
    def test_another_users(self):
        program = f"{DIR}/ringdex-doctor"
        shutil.copy(f"{BIN}/ringdex-doctor", program)
        os.chmod(program, 0o755)
        for folder in DIR, os.path.dirname(DIR):  # the latter may be /dev/shm
            os.chmod(folder, os.stat(folder).st_mode | 0o055)
        self.worker().kill()
        os.chmod(f"{self.dir}/key", 0o640)
        stranger = {"user": STRANGER, "group": STRANGER, "extra_groups": [], "program": program,
                    "env": {}}
        findings = self.ask(**stranger)
        self.assertNotIn("owner", findings)
        self.expect(findings, "permissions", "note", "may look up")
        self.expect(findings, "key", "warning", "may not read the key")
        # a rank that lives is none to be removed, and an indexer none that works
        worker = self.worker(2)
        findings = self.ask(**stranger)
        self.assertEqual([row[0] for row in findings["segments"]], ["ok", "note"], findings["segments"])
        self.expect(findings, "segments", "ok", "0 live, 0 dead, 0 unreadable")
        self.expect(findings, "segments", "note", "2 more cannot be looked at by this user")
        self.assertIn("ask as their owner", findings["segments"][1][2])
        self.assertEqual([row[:2] for row in findings["indexer"]], [("note", "not known: this user sees no live rank")])
        worker.kill()
        os.chown(self.dir, SOMEBODY, SOMEBODY)
        self.expect(self.ask(**stranger), "owner", "warning", "refused")
        self.expect(self.ask(), "owner", "note", "another user's")
        os.chmod(self.dir, 0o700)
        self.expect(self.ask(status=1, **stranger), "directory", "error", "Permission denied")

    def test_a_damaged_key(self):
        os.mkdir(self.dir)
        self.expect(self.ask(), "key", "note", "no key yet")
        with open(f"{self.dir}/key", "wb") as key:
            key.write(b"short")
        self.expect(self.ask(status=1), "key", "error", "cannot be used")

    def in_tmpfs(self, options, then, status):
        """Ask in a file system of its own."""
        os.makedirs(self.dir, exist_ok=True)
        script = f"mount -t tmpfs -o {options} none {self.dir} && {then} && exec \"$@\""
        before = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["-r"]), "sh", "-c", script,
                  "sh"]
        if subprocess.run([*before, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            self.skipTest("this machine lets nobody mount a tmpfs")
        return self.ask(before=before, status=status)

    def test_a_full_file_system(self):
        fill = f"{{ head -c 2m /dev/zero >{self.dir}/file 2>/dev/null || :; }}"
        findings = self.in_tmpfs("size=2m", fill, 1)
        self.expect(findings, "space", "error", "0 bytes free of 2.0 MiB")
        self.expect(self.in_tmpfs("size=8m", "true", 0), "space", "warning", "of 8.0 MiB")
        self.expect(self.in_tmpfs("size=64m", "true", 0), "space", "ok", "of 64.0 MiB")
        findings = self.in_tmpfs("size=64m,nr_inodes=2", f"touch {self.dir}/file", 1)
        self.expect(findings, "inodes", "error", "0 files more of 2")

    def test_on_a_disk(self):
        on_disk = subprocess.run(["stat", "-f", "-c", "%T", BIN], stdout=subprocess.PIPE,
                                 text=True, check=True).stdout.strip() not in ("tmpfs", "ramfs")
        if not on_disk:
            self.skipTest("the programs are in memory, too")
        self.dir = BIN
        self.expect(self.ask("--strict", status=1), "memory", "warning", "can block an engine")

    def test_dead_and_unreadable(self):
        self.worker().kill()
        findings = self.ask()
        self.expect(findings, "stale", "warning", "2 things of dead processes")
        self.expect(findings, "segments", "ok", "0 live, 1 dead")
        self.expect(findings, "indexer", "note", "none runs")
        subprocess.run([f"{BIN}/ringdex-clean", f"--dir={self.dir}"], check=True,
                       stdout=subprocess.DEVNULL)
        self.expect(self.ask(), "stale", "ok", "nothing")
        self.worker(2)
        with open(f"{self.dir}/2/0.seg", "r+b") as segment:
            segment.seek(8)
            segment.write(struct.pack("<I", 99))
        self.expect(self.ask(status=1), "segments", "error", "format version 99")

    def test_low_limits(self):
        self.followed()
        low = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))}
        self.expect(self.ask_at_work(**low), "limits", "warning", "40 files at once")
        low = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))}
        self.expect(self.ask_at_work(status=1, **low), "limits", "error", "RLIMIT_FSIZE")
        many = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))}
        self.expect(self.ask_at_work(**many), "limits", "ok", "80 files at once")

    def about_the_indexer(self, status, level, part):
        """One finding says it all."""
        rows = self.ask(status=status)["indexer"]
        self.assertEqual([(row[0], part in row[1]) for row in rows], [(level, True)], rows)
        return rows[0]

    def test_a_stopped_indexer(self):
        """It holds its lock, and does nothing: whenever its ranks are called STALE."""
        workers = 1, 2, 3
        for stale_after in "1ms", "24h":
            with self.subTest(stale_after=stale_after):
                follow = self.followed(f"--stale-after={stale_after}", workers=workers)
                workers = ()  # they go on
                follow.process.send_signal(signal.SIGSTOP)
                until(lambda: not self.said_of_the_indexer("ok"), "it is called well")
                row = self.about_the_indexer(1, "error", "one runs, and does nothing")
                self.assertIn("what it says of 3 ranks is as old", row[1])
                self.assertIn("SIGSTOP", row[2])
                follow.process.send_signal(signal.SIGCONT)
                until(lambda: self.said_of_the_indexer("ok"), "it is never well again")
                follow.close()

    def test_stopped_in_the_midst_of_a_change(self):
        """Nobody can read what the index says of its ranks then."""
        follow = self.followed()
        follow.process.send_signal(signal.SIGSTOP)
        os.waitpid(follow.process.pid, os.WUNTRACED)
        (path,) = glob.glob(f"{self.dir}/index/*.ctl")
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as words:
            words[4096 + 16768] |= 1  # the sequence of the first rank's entry is odd
        row = self.about_the_indexer(1, "error", "one runs, and does nothing: it stands in the midst of a change")
        self.assertIn("SIGSTOP", row[2])
        follow.process.send_signal(signal.SIGCONT)

    def said_of_the_indexer(self, level):
        done = subprocess.run([f"{BIN}/ringdex-doctor", f"--dir={self.dir}", "--json"],
                              stdout=subprocess.PIPE, text=True, check=False)
        return {row["level"] for row in json.loads(done.stdout)["findings"]
                if row["check"] == "indexer"} == {level}

    def test_stopped_before_it_has_a_rank(self):
        follow = self.follow()
        until(lambda: os.path.exists(f"{self.dir}/indexer.lock") and self.said_of_the_indexer("ok"),
              "it never starts")
        self.about_the_indexer(0, "ok", "one runs, and has no rank")
        follow.process.send_signal(signal.SIGSTOP)
        self.worker()
        self.about_the_indexer(1, "error", "taken up none of 1 live rank")

    def test_no_indexer(self):
        follow = self.followed(workers=(1, 2))
        follow.process.kill()
        follow.process.wait()
        row = self.about_the_indexer(1, "error", "none runs: no lookup may go by what 2 live ranks hold")
        self.assertIn("start ringdex follow", row[2])

    def test_ranks_that_are_refused(self):
        """The same cause is one finding."""
        feed = self.worker(7)
        for rank in 1, 2, 3:
            feed.store(1, rank)
        until(lambda: len(segments(BIN, self.dir)) == 4, "not all ranks come")
        self.follow("--worker-ranks=1")

        def all_three():
            said = "; ".join(self.refused())
            found = re.findall(r"7:\d(?: and (\d) more)? (?:is|are) in no index", said)
            return sum(1 + int(more or 0) for more in found) == 3 and said
        self.assertRegex(until(all_three, "not all are refused"), r"^7:\d and 2 more are in no index$")
        until(lambda: any(row[0] == "ok" and "was caught up" in row[1] for row in self.ask("--strict", status=1)["indexer"]),
              "the rank that is not refused is never caught up with")

    def refused(self):
        done = subprocess.run([f"{BIN}/ringdex-doctor", f"--dir={self.dir}", "--json"],
                              stdout=subprocess.PIPE, text=True, check=False)
        return [row["finding"].split(": ")[0] for row in json.loads(done.stdout)["findings"]
                if row["check"] == "indexer" and row["level"] == "warning"]

    def test_io_uring_refused(self):
        for error in EPERM, ENOSYS:
            def refuse(error=error):
                seccomp(IO_URING_SETUP, error)
            findings = self.ask(preexec_fn=refuse)
            self.expect(findings, "io_uring", "note",
                        "seccomp filter" if error == EPERM else "the kernel has none")
            self.assertIn("epoll", findings["io_uring"][0][2])
        self.write("proc/sys/kernel/io_uring_disabled", "2\n")
        self.expect(self.ask(preexec_fn=lambda: seccomp(IO_URING_SETUP, EPERM)), "io_uring",
                    "note", "kernel.io_uring_disabled = 2")

    @unittest.skipIf(platform.machine() != "x86_64", "knows the calls of x86-64 only")
    def test_locks_refused(self):
        findings = self.ask(status=1, preexec_fn=lambda: seccomp(FCNTL, EINVAL, F_OFD_SETLK))
        self.expect(findings, "locks", "error", "refused")

    def test_a_slow_clock(self):
        self.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n")
        self.expect(self.ask(), "clock", "warning", "hpet")

    def test_a_time_namespace(self):
        before = ["unshare", "--time", "--monotonic=3600", *([] if os.geteuid() == 0 else ["-r"])]
        if subprocess.run([*before, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            self.skipTest("this machine has no time namespaces")
        self.expect(self.ask(before=before), "clock", "note", "ahead of the host")

    def test_large_pages(self):
        enabled = "sys/kernel/mm/transparent_hugepage/shmem_enabled"
        os.mkdir(self.dir)
        device = os.stat(self.dir).st_dev
        mount = f"30 1 {os.major(device)}:{os.minor(device)} / /dev/shm rw - tmpfs none rw"
        for options, setting, level, part in (
                ("", "always [never] deny", "note", "small pages"),
                (",huge=advise", "always [never] deny", "note", "small pages"),
                (",huge=within_size", "always [never] deny", "ok", "large pages"),
                (",huge=within_size", "always never [deny]", "note", "denied"),
                ("", "always never deny [force]", "ok", "large pages")):
            self.write("proc/self/mountinfo", f"1 1 0:0 / / rw - x y rw\n{mount}{options}\n")
            self.write(enabled, f"{setting}\n")
            self.expect(self.ask(), "pages", level, part)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to give a directory away")
    def test_logind(self):
        os.mkdir(self.dir)
        os.chown(self.dir, SOMEBODY, SOMEBODY)
        if not os.path.realpath(self.dir).startswith("/dev/shm/"):
            self.skipTest("there is no room in /dev/shm")
        self.assertNotIn("logind", self.ask())
        os.makedirs(f"{self.root}/run/systemd/users")
        self.expect(self.ask(), "logind", "warning", "RemoveIPC")
        self.write("etc/systemd/logind.conf", "[Login]\n#RemoveIPC=yes\nRemoveIPC = no\n")
        self.expect(self.ask(), "logind", "ok", "alone")
        self.write("etc/systemd/logind.conf.d/50.conf", "[Login]\nRemoveIPC=yes\n")
        self.expect(self.ask(), "logind", "warning", "RemoveIPC")
        os.chown(self.dir, 12, 12)
        self.expect(self.ask(), "logind", "ok", "alone")

    def test_names_of_others_stay_on_their_line(self):
        self.dir += "\x1b[31m\nerror"
        os.mkdir(self.dir)
        table = subprocess.run([f"{BIN}/ringdex-doctor", f"--dir={self.dir}"],
                               stdout=subprocess.PIPE, check=False).stdout
        self.assertNotIn(b"\x1b", table)
        self.assertIn(b"\\x1b[31m\\x0aerror", table)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
