# SPDX-License-Identifier: Apache-2.0
"""What tests of ringdexd share."""
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from patience import die_with_parent, wait_until  # noqa: E402

BIN, LOOP, DIR = sys.argv[1:4]
PATIENCE_S = int(os.environ.get("RDX_PATIENCE") or 240)  # for what hangs; as in tests/patience.h, mutations wait for less
os.umask(0o022)  # a token file that its group may write is refused
PROMPT = list(range(1, 13))


def until(condition, what):
    return wait_until(condition, what, PATIENCE_S)


def free_port():
    """None of those that the kernel gives to others until it is listened at."""
    while True:
        port = random.randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


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
        if not line.startswith("listening on 127.0.0.1:"):
            self.close()
            raise AssertionError(f"ringdexd did not begin with its port, but {line!r}")
        self.port = int(line.rsplit(":", 1)[1])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def client(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def ask(self, method, path, body=None, **headers):
        """Status, and the body: of JSON what it says."""
        connection = self.client()
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


def links(pid):
    """What a process has open: where its descriptors lead. Some may be closed meanwhile, as of a client that has gone."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def flood(client):
    """Ask, and take no answer, until nothing more is taken from this connection."""
    most = 100_000_000
    sent = 0
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while sent < most:
            sent += client.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    assert sent < most, "ringdexd takes questions without end"
    client.settimeout(PATIENCE_S)


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
    lines = ["POST /query HTTP/1.1", "Host: localhost", "Content-Type: application/json",
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
    # null is no name of a group, and an empty one is nobody's
    (b'{"routing_group":null,' + FULL, 422), (b'{"routing_group":"",' + FULL, 404), (b'{"lora_name":null,' + FULL, 200),
    (b'{"routing_group":null,x}', 422), (b'{"model_name":null,x}', 422),
    (b'{"x":nul,' + FULL, 400), (b'{"x":1e,' + FULL, 400), (b'{"\\u0074oken_ids":[1],"model_name":"example"}', 200),
]
# Targets, and what both answer; texts without a line's end, as Dynamo has them.
TWICE = "Failed to deserialize query string: duplicate field `%s`"
TARGETS = [
    *((f"/workers?{text}", 400, TWICE % name) for text, name in (
        ("model_name=a&model_name=b", "model_name"), ("model_name=a&model_name=a", "model_name"),
        ("model_name=a&model%5Fname=b", "model_name"), ("routing_group=a&x=1&routing_group", "routing_group"))),
    *((f"/workers?{text}", 200, []) for text in (
        "model_name=%", "model_name=%zz", "model_name=%00", "model_name=%ff", "model_name=" + "x" * 256, "model_name", "model_name=",
        "model_name=+example", "model_name=example=", "routing_group", "routing_group=", "routing_group=%", "model%5Fname=a")),
]
# Content types, and what both answer.
NO_JSON = "Expected request with `Content-Type: application/json`"
CONTENT_TYPES = [
    *((text, 200) for text in ("application/json", "APPLICATION/JSON", "application/json;charset=utf-8", "application/json; charset=",
                               'application/json; charset="a b"', "application/json;a=b; c=d;", "application/json; ",
                               "application/ld+json;profile=x", "application/a+b+json")),
    *((text, 415) for text in ("", "text/json", "application/jsonx", "application/+json", "application/json;charset",
                               "application/json; a=b; c", "application/json;;", "application/json;=b", "application/json;a b=c",
                               "application/json x", "application/json, application/json", 'application/json;a="x',
                               "application/json;a=b,c", "application/a b+json")),
]
# What ringdexd answers otherwise than Dynamo's (docs/ringdexd.md): the content type, its status, Dynamo's.
TYPES_UNLIKE = [("application/json ;charset=x", 200, 415), ("application/json;\tcharset=x", 200, 415),
                ("application/json;a=b ; c=d", 200, 415), ('application/json;a="b\\"c"', 200, 415), ("application/json+xml", 415, 200)]
# Likewise: path, body, statuses.
REGISTERED_UNLIKE = [
    *(("/register", {"instance_id": 7, "endpoint": "tcp://127.0.0.1:9", "model_name": "unlike", "block_size": 4, **more}, ours, 201)
      for more, ours in (({"block_size": 0, "model_name": "none"}, 422), ({"routing_group": "", "instance_id": 8}, 422),
                         ({"dp_rank": 1024, "instance_id": 9}, 422), ({"endpoint": "inproc://h", "instance_id": 10}, 400),
                         ({"endpoint": "tcp://*:1", "instance_id": 11}, 400), ({"endpoint": "tcp://h:0", "instance_id": 12}, 400),
                         ({"endpoint": "tcp://a b:5", "instance_id": 13, "model_name": "blank"}, 400),
                         ({"endpoint": "ipc://@", "instance_id": 14, "model_name": "at"}, 400))),
    *(("/register_peer", {"url": url}, 400, 201) for url in ("", "x", "ftp://h")),
    ("/deregister_peer", {"url": "x"}, 404, 200),
]
# Likewise: body of /query, statuses.
UNLIKE = [
    (b"{" + FULL + b" x", 400, 200), (b"{" + FULL + b"{}", 400, 200), (b'{"token_ids":[1.5],"x":"a', 400, 422),
    (b'{"token_ids":[-1],x', 400, 422), (b'{"x":"\xff",' + FULL, 400, 200), (b'{"x":1e400,' + FULL, 400, 200),
    (b'{"x":' + b"[" * 2000 + b"]" * 2000 + b"," + FULL, 400, 200),
]
