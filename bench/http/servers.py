# SPDX-License-Identifier: Apache-2.0
"""Who answers: ringdexd, Dynamo's own stand-alone indexer, and a server that parses nothing."""

import http.client
import http.server
import json
import os
import subprocess
import sys
import threading
import time

import parts

MODEL = "bench"
BLOCK_TOKENS = 16
HOLDERS = 8
BLOCKS = 268
PROMPT = list(range(1, BLOCKS * BLOCK_TOKENS + 1))


# Of each rank, at the moment of the question.
LAG, APPLIED, LOST = (f"ringdex_rank_{name}" for name in (
    "lag_events", "events_total", "slots_lost_total"))


def until(condition, what):
    """Of what another process does; what the condition says in the end."""
    end = time.monotonic() + parts.PATIENCE_S
    while not (found := condition()):
        if time.monotonic() > end:
            raise RuntimeError(f"{what} in {parts.PATIENCE_S} s")
        time.sleep(0.01)
    return found


class Lines(parts.Process):
    """One that is told what to do, a line each."""

    def __init__(self, arguments, **options):
        super().__init__(arguments, stdin=subprocess.PIPE, text=True, **options)

    def say(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def close(self):
        self._process.stdin.close()

    def answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args[0]} ended")
        return json.loads(line)


class Server(parts.Process):
    """On `port` of this host."""

    port = 0

    def address(self):
        return f"127.0.0.1:{self.port}"

    def ask(self, method, path, body=None):
        """Status, and what it says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=parts.PATIENCE_S)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = answer.headers["Content-Type"] == "application/json"
            return answer.status, json.loads(text) if is_json and text else text
        finally:
            connection.close()

    def answers(self, *request):
        """The same; (0, None) while it does not listen."""
        try:
            return self.ask(*request)
        except OSError:
            return 0, None

    def resident_mib(self):
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as file:
            lines = [line.split() for line in file if line.startswith("VmRSS:")]
        return int(lines[0][1]) / 1024


class Bare(Server):
    """The floor: it reads as many bytes, and answers as many."""

    def __init__(self, bin_dir, request_bytes, answer_file):
        super().__init__(
            [os.path.join(bin_dir, "http-bare"), str(request_bytes), answer_file],
            stdout=subprocess.PIPE, text=True,
        )
        self.port = int(self._process.stdout.readline())


class Ringdexd(Server):
    """Of a namespace, over TCP and a Unix socket."""

    def __init__(self, bin_dir, folder, *options):
        self.folder, self._bin = folder, bin_dir
        os.makedirs(folder)
        self.unix = f"unix:{folder}/http.sock"
        super().__init__(
            [os.path.join(bin_dir, "ringdexd"), f"--dir={folder}", "--listen=127.0.0.1:0",
             f"--listen={self.unix}", "--log-level=warning", *options],
            stdout=subprocess.PIPE, text=True,
        )
        self.port = int(self._process.stdout.readline().rsplit(":", 1)[1])
        self._process.stdout.readline()

    def fill(self):
        """Workers that hold the prompt, until they end with this process."""
        feed = Lines(
            [os.path.join(self._bin, "ringdex-feed"), f"--dir={self.folder}", f"--model={MODEL}",
             f"--block-tokens={BLOCK_TOKENS}", f"--blocks={2 * BLOCKS}", "--hold", "-"],
            stderr=subprocess.DEVNULL,
        )
        for worker in range(1, HOLDERS + 1):
            feed.say(json.dumps({
                "worker": worker, "type": "stored", "names": list(range(1, BLOCKS + 1)),
                "token_ids": PROMPT, "block_size": BLOCK_TOKENS}))
        feed.close()
        until(lambda: self.answers(*by_tokens(PROMPT)) == (200, expected(BLOCKS)),
              "ringdexd does not have the prompt")

    def local_hashes(self):
        """Of the prompt's blocks, as its holders publish them."""
        lines = subprocess.run(
            [os.path.join(self._bin, "ringdex-tail"), f"--dir={self.folder}", "--json",
             "--from-barrier", "--count=1"], capture_output=True, text=True, check=True)
        hashes = [int(text) for text in json.loads(lines.stdout.splitlines()[0])["local_hashes"]]
        if len(hashes) != BLOCKS:
            raise RuntimeError(f"{len(hashes)} hashes of {BLOCKS} blocks")
        return hashes

    def of_ranks(self, *families):
        """Of each family of metrics a list, a value for each rank, all of one moment."""
        found = {family: [] for family in families}
        for line in self.ask("GET", "/metrics")[1].splitlines():
            family = line.partition("{")[0]
            if family in found:
                found[family].append(float(line.split()[-1]))
        return [found[family] for family in families]


class Dynamo(Server):
    """The real one; what it holds it takes from a peer's dump when it starts."""

    def __init__(self, folder, hashes):
        peer = _Peer(hashes)
        self.port = parts.free_port()
        super().__init__(
            [sys.executable, "-m", "dynamo.indexer", "--port", str(self.port), "--block-size",
             str(BLOCK_TOKENS), "--threads", "1", "--peers", peer.url],
            env={**os.environ, "PYTHONPATH": folder},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        until(lambda: same(self.answers(*by_tokens(PROMPT)), (200, expected(BLOCKS))),
              "Dynamo's indexer does not have the prompt")
        peer.end()


class _Peer:
    """Answers any request with a dump in which all holders have the prompt."""

    def __init__(self, hashes):
        text = json.dumps({f"{MODEL}:default": {"block_size": BLOCK_TOKENS, "events": [
            self._event(worker, hashes) for worker in range(1, HOLDERS + 1)]}}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @staticmethod
    def _event(worker, hashes):
        blocks = [{"block_hash": name, "tokens_hash": local, "mm_extra_info": None}
                  for name, local in enumerate(hashes, 1)]
        stored = {"parent_hash": None, "start_position": None, "blocks": blocks}
        return {"worker_id": worker, "storage_tier": "device",
                "event": {"event_id": 0, "dp_rank": 0, "data": {"stored": stored}}}

    def end(self):
        self._server.shutdown()
        self._server.server_close()


def by_tokens(tokens):
    return "POST", "/query", {"token_ids": tokens, "model_name": MODEL}


def by_hashes(hashes):
    """With a sign, without which Dynamo's takes none from 2^63 on."""
    signed = [value - (1 << 64) if value >> 63 else value for value in hashes]
    return "POST", "/query_by_hash", {"block_hashes": signed, "model_name": MODEL}


def expected(blocks):
    """What is right where each holder has so many blocks of what is asked."""
    if not blocks:
        return {"scores": {}, "frequencies": [], "instances": {}}
    tokens, workers = blocks * BLOCK_TOKENS, [str(i) for i in range(1, HOLDERS + 1)]
    instance = {"longest_matched": tokens, "gpu": tokens, "dp": {"0": tokens}, "cpu": tokens,
                "disk": tokens}
    return {"scores": {worker: {"0": tokens} for worker in workers},
            "frequencies": [HOLDERS] * blocks,
            "instances": dict.fromkeys(workers, instance)}


def same(answer, other):
    """But for `frequencies`, which Dynamo's leaves empty where a dump filled it."""
    def compared(status, said):
        return status, {**said, "frequencies": []} if isinstance(said, dict) else said

    return compared(*answer) == compared(*other)
