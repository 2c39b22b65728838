# SPDX-License-Identifier: Apache-2.0
"""What tests of ringdexd share."""
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from patience import die_with_parent, wait_until  # noqa: E402

BIN, LOOP, DIR = sys.argv[1:4]
PATIENCE_S = 60
PROMPT = list(range(1, 13))


def until(condition, what):
    return wait_until(condition, what, PATIENCE_S)


class Daemon:
    """One ringdexd on a free port, in a directory of that name. However long the machine lets it wait, its ranks
    are not STALE."""

    def __init__(self, name, *options, process=None):
        self.directory = f"{DIR}/{name}"
        self.process = subprocess.Popen(
            [f"{BIN}/ringdexd", f"--dir={self.directory}", f"--wait={LOOP}", "--listen=127.0.0.1:0",
             "--stale-after=1h", *options], stdout=subprocess.PIPE, text=True,
            **(process or {"preexec_fn": die_with_parent}))
        line = self.process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), line
        self.port = int(line.rsplit(":", 1)[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def ask(self, method, path, body=None, **headers):
        """Status, and the body: of JSON what it says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            if method == "POST":
                headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            is_json = answer.headers["Content-Type"] == "application/json"
            return answer.status, json.loads(text) if is_json and text else text.decode()
        finally:
            connection.close()

    def at_work(self):
        return self.ask("GET", "/health") == (200, {"status": "ok", "indexer": "at work"})

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def worker(directory, program="example-publish", user=None):
    """An engine that announces a few blocks; it is alive within the block. The user's group is ringdex."""
    who = {"user": user, "group": "ringdex", "extra_groups": []} if user else {}
    process = subprocess.Popen([f"{BIN}/{program}", directory], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent, **who)
    try:
        assert process.stdout.readline() == "published\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(PATIENCE_S)
        process.stdout.close()


def read_answer(stream):
    """Of a raw connection: status, headers, body."""
    status = int(stream.readline().split()[1])
    headers = {}
    while (line := stream.readline().strip()):
        name, value = line.split(b": ", 1)
        headers[name.decode().lower()] = value.decode()
    return status, headers, stream.read(int(headers.get("content-length", 0)))


def query(tokens, model="example", **more):
    return {"token_ids": tokens, "model_name": model, **more}


def as_request(body, *headers):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = ["POST /query HTTP/1.1", "Host: x", "Content-Type: application/json",
             f"Content-Length: {len(text)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + text


HELD = {"scores": {"1": {"0": 8}}, "frequencies": [1, 1],
        "instances": {"1": {"longest_matched": 8, "gpu": 8, "dp": {"0": 8}, "cpu": 8, "disk": 8}}}
NOTHING = {"scores": {}, "frequencies": [], "instances": {}}
