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
os.umask(0o022)  # a token file that its group may write is refused
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

FULL = b'"token_ids":[1],"model_name":"example"}'
# Bodies of /query, and what both indexers answer: the first fault counts, in the order of the bytes.
BODIES = [
    (b'{"token_ids":[1,2', 400), (b"", 400), (b"\xff{}", 400), (b'{"token_ids":[1],"model_name":"\xff"}', 400),
    (b'{"token_ids":[1]}', 422), (b'{"model_name":"example"}', 422), (b'"text"', 422), (b"nul", 400), (b"  true \n\n", 422),
    (b'{"token_ids":[-1],"model_name":"example"}', 422), (b'{"token_ids":[4294967296],"model_name":"example"}', 422),
    (b'{"token_ids":[1.5],"model_name":"example"}', 422), (b'{"token_ids":"1","model_name":"example"}', 422),
    (b'{"token_ids":[1],"model_name":7}', 422), (b'{"token_ids":[1],' + FULL, 422), (b'{"token_ids":null,' + FULL, 422),
    # numbers beyond 64 bits, and beyond what a double holds; -0
    (b'{"token_ids":[18446744073709551616],"model_name":"example"}', 422), (b'{"x":-18446744073709551616,' + FULL, 200),
    (b'{"token_ids":[' + b"1" * 400 + b'],"model_name":"example"}', 400),
    (b'{"token_ids":[-0],"model_name":"example"}', 422), (b'{"token_ids":[0],"model_name":"example"}', 200),
    (b'{"token_ids":[-0.0],"model_name":"example"}', 422), (b'{"x":-0,' + FULL, 200), (b'{"token_ids":[01],"model_name":"example"}', 400),
    # half of a surrogate pair, and what is no JSON beside it
    (b'{"x":"\\ud800",' + FULL, 200), (b'{"x":{"\\udc00":["\\ud800\\u0041"]},' + FULL, 200), (b'{"\\ud800":1,' + FULL, 400),
    (b'{"lora_name":"\\ud800",' + FULL, 400), (b'{"x":"\\ud800\\x",' + FULL, 400), (b'{"x":"\\ud80",' + FULL, 400),
    (b'{"x":"\\ud83d\\ude00",' + FULL, 200),
    # what comes first
    (b'{"token_ids":[-1],x}', 422), (b'{x,"token_ids":[-1]}', 400), (b'{"token_ids":["\\u0061", x}', 422),
    (b'{"token_ids":[nul', 400), (b'{"x":[1,],' + FULL, 400),
    (b'{"x":nul,' + FULL, 400), (b'{"x":1e,' + FULL, 400), (b'{"\\u0074oken_ids":[1],"model_name":"example"}', 200),
]
# What ringdexd answers otherwise than Dynamo's (docs/ringdexd.md): body, its status, Dynamo's.
UNLIKE = [
    (b"{" + FULL + b" x", 400, 200), (b"{" + FULL + b"{}", 400, 200), (b'{"token_ids":[1.5],"x":"a', 400, 422),
    (b'{"token_ids":[-1],x', 400, 422), (b'{"x":"\xff",' + FULL, 400, 200), (b'{"x":1e400,' + FULL, 400, 200),
    (b'{"x":' + b"[" * 2000 + b"]" * 2000 + b"," + FULL, 400, 200),
]
