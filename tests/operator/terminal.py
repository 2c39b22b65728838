# SPDX-License-Identifier: Apache-2.0
"""A program on a real pseudo-terminal, and what its screen shows: a VT52, which has few orders."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

PATIENCE_S = 120


class Screen:
    """Lines of letters."""

    def __init__(self, rows, columns):
        self.pending = b""
        self.y = self.x = 0
        self.resize(rows, columns)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.lines = [[" "] * columns for _ in range(rows)]
        self.y, self.x = min(self.y, rows - 1), min(self.x, columns - 1)

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)

    def take(self, data):
        data = self.pending + data
        at = 0
        while at < len(data):
            order = data[at:at + 2]
            needed = 4 if order == b"\x1bY" else 2 if order[:1] == b"\x1b" else 1
            if len(data) - at < needed:
                break
            self.obey(data[at:at + needed])
            at += needed
        self.pending = data[at:]

    def obey(self, order):
        if order[:1] == b"\x1b":
            self.escape(order[1:2], order[2:])
        elif order == b"\r":
            self.x = 0
        elif order == b"\n":
            self.y = min(self.y + 1, self.rows - 1)
        elif order == b"\b":
            self.x = max(self.x - 1, 0)
        elif order == b"\t":
            self.x = min(self.x // 8 * 8 + 8, self.columns - 1)
        elif order >= b" ":
            self.lines[self.y][min(self.x, self.columns - 1)] = order.decode("latin-1")
            self.x = min(self.x + 1, self.columns - 1)
        else:
            assert order in (b"\x07", b"\x00"), order

    def escape(self, order, rest):
        if order == b"Y":
            self.y = min(rest[0] - 32, self.rows - 1)
            self.x = min(rest[1] - 32, self.columns - 1)
        elif order == b"H":
            self.y = self.x = 0
        elif order in b"JK":
            self.lines[self.y][self.x:] = [" "] * (self.columns - self.x)
            if order == b"J":
                for line in range(self.y + 1, self.rows):
                    self.lines[line] = [" "] * self.columns
        elif order in b"ABCD":
            self.y = min(max(self.y + {b"A": -1, b"B": 1}.get(order, 0), 0), self.rows - 1)
            self.x = min(max(self.x + {b"C": 1, b"D": -1}.get(order, 0), 0), self.columns - 1)
        else:
            assert order in b"IFG=>", order


class Terminal:
    """A program with a terminal; `raw` is all that it wrote."""

    def __init__(self, command, rows=12, columns=132, **environment):
        self.screen = Screen(rows, columns)
        self.raw = b""
        environment = {"TERM": "vt52", "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
                       **environment}
        self.master, slave = pty.openpty()
        self.set_size(rows, columns)
        # a session of its own, whose terminal it is
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def set_size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        """The kernel tells the program by SIGWINCH."""
        self.screen.resize(rows, columns)
        self.set_size(rows, columns)

    def read(self):
        """0 at the end."""
        if not select.select([self.master], [], [], 0.05)[0]:
            return 1
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: nobody has it open any more
            return 0
        self.raw += data
        self.screen.take(data)
        return len(data)

    def shows(self, condition):
        """Of a screen that is half drawn what it looks for may be missing."""
        try:
            return condition(self.screen.text())
        except (IndexError, ValueError):
            return False

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE_S
        while not self.shows(condition):
            going = self.read()
            if not going or time.monotonic() > end:
                raise AssertionError(f"{what}:\n{self.screen.text()}")

    def press(self, keys):
        os.write(self.master, keys.encode())

    def end(self):
        """Its exit status."""
        end = time.monotonic() + PATIENCE_S
        while self.read() and time.monotonic() < end:
            pass
        return self.process.wait(PATIENCE_S)

    def close(self):
        os.close(self.master)  # SIGHUP
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
