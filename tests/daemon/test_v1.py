#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/v1/query and /v1/workers, by real engines: test_v1.py BIN_DIR io_uring|epoll DIR"""
import contextlib
import http.client
import json
import random
import re
import unittest

from rig import BIN, DIR, PATIENCE_S, Daemon, die_with_parent, query, read_answer, until
from v1_rig import TOKENS, feed, prefix_hashes, ranks, stored, until_held

IS_PLAIN = not re.search("[at]san", BIN)
KEY_VALUES = 65_536  # docs/ringdexd.md
PEAK_BYTES = 512 << 20  # of a daemon that reads 8 MiB of keys
IMAGE = [[["image-a", 0]], None]
LOCAL = [101, 1 << 63 | 102, 103]


def ask(*prompts, **more):
    return {"model": "m", "prompts": list(prompts), **more}


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.daemon = Daemon("v1")
        cls.stack.callback(cls.daemon.close)
        events = [
            stored(1, [11, 12, 13, 14], TOKENS),
            stored(2, [21, 22, 23], TOKENS[:6], dp_rank=3), stored(2, [23], tier="host", dp_rank=3),
            {"worker": 2, "dp_rank": 3, "type": "removed", "names": [23]},
            stored(3, [31], TOKENS[:2]), {"worker": 3, "type": "inexact", "inexact": "lacking"},
            stored(4, [41], TOKENS[:2]), {"worker": 4, "type": "inexact"},
            stored(5, [51, 52], TOKENS[:4], lora="ada", salt="grain"),
            stored(6, [61, 62], TOKENS[:4], extra_keys=IMAGE),
            stored(7, [71], local_hashes=[str(LOCAL[0])]),
            stored(7, [72, 73], local_hashes=[str(h) for h in LOCAL[1:]], parent=71)]
        cls.stack.enter_context(feed(cls.daemon.directory, events))
        cls.stack.enter_context(feed(cls.daemon.directory, [stored(8, [81], TOKENS[:2])], "--tenant=other"))
        until_held(cls.daemon, {(1, 0): 4, (2, 3): 3, (3, 0): 1, (4, 0): 1, (5, 0): 2, (6, 0): 2, (7, 0): 3,
                                (8, 0): 1}, events)

    def query(self, body, status=200):
        answer = self.daemon.ask("POST", "/v1/query", body)
        self.assertEqual(answer[0], status, answer[1])
        return answer[1]

    def held(self, prompt, **more):
        """By worker: blocks in the tiers."""
        said = self.query(ask(prompt, **more))["answers"]
        self.assertEqual(len(said), 1)
        return {row["worker"]: tuple(row[f"{tier}_blocks"] for tier in ("device", "host", "disk", "external"))
                for row in said[0]["ranks"]}

    def test_rows(self):
        said = self.query(ask({"tokens": TOKENS + [9]}))
        self.assertEqual({**said, "answers": None},
                         {"model": "m", "tenant": "", "block_tokens": 2, "answers": None})
        self.assertEqual(said["answers"][0]["blocks"], 4)
        rows = said["answers"][0]["ranks"]
        self.assertEqual([row["worker"] for row in rows], [1, 2, 3, 4])  # best first
        self.assertEqual([row["state"] for row in rows], ["exact", "exact", "lacking", "inexact"])
        row = rows[1]
        known = ranks(self.daemon)[2, 3]
        for ages in row, known:
            self.assertGreaterEqual(ages.pop("age_ns"), 0)
            self.assertGreater(ages.pop("event_age_ns"), 0)
        self.assertEqual(row, {"worker": 2, "dp_rank": 3, "instance": "feed://2/3", "state": "exact",
                               "epoch": known["epoch"], "last_event_id": 3, "device_blocks": 2, "host_blocks": 3,
                               "disk_blocks": 3, "external_blocks": 3})

    def test_several_prompts(self):
        said = self.query(ask({"tokens": TOKENS[:2]}, {"tokens": [9, 9]}, {"tokens": []},
                              {"local_hashes": LOCAL}))["answers"]
        self.assertEqual([one["blocks"] for one in said], [1, 1, 0, 3])
        self.assertEqual([[row["worker"] for row in one["ranks"]] for one in said],
                         [[1, 2, 3, 4], [], [], [7]])
        many = self.query(ask(*[{"tokens": TOKENS}] * 64))["answers"]
        self.assertEqual({len(one["ranks"]) for one in many}, {4})
        self.assertIn("64 prompts", self.query(ask(*[{"tokens": []}] * 65), 422)["error"])

    def test_whole_numbers_with_a_point(self):
        """As JSON Schema has it, unless they may have been rounded."""
        said = self.query(b'{"model":"m","prompts":[{"tokens":[1.0,2e0]},{"local_hashes":[101.0,-7.0]}]}')["answers"]
        self.assertEqual([[row["worker"] for row in one["ranks"]] for one in said], [[1, 2, 3, 4], [7]])
        for number in b"9007199254740993.0", b"-9007199254740993.0", b"1e19", b"0.5":
            self.query(b'{"model":"m","prompts":[{"local_hashes":[' + number + b']}]}', 422)

    def test_hashes(self):
        signed = [h - (1 << 64) if h >> 63 else h for h in LOCAL]
        for given in LOCAL, signed:
            self.assertEqual(self.held({"local_hashes": given}), {7: (3, 3, 3, 3)})
        prefixes = prefix_hashes(self.daemon.directory, 7, 2)
        signed = [h - (1 << 64) if h >> 63 else h for h in prefixes]
        for given in prefixes, signed:
            self.assertEqual(self.held({"prefix_hashes": given}), {7: (3, 3, 3, 3)})
        self.assertEqual(self.held({"prefix_hashes": [prefixes[0], prefixes[1] ^ 1]}), {7: (1, 1, 1, 1)})
        self.assertEqual(self.held({"prefix_hashes": [prefixes[0] ^ 1, prefixes[1]]}), {})

    def test_what_names_blocks(self):
        named = {"tokens": TOKENS[:4], "lora_name": "ada", "cache_salt": "grain"}
        self.assertEqual(self.held(named), {5: (2, 2, 2, 2)})
        self.assertEqual(self.held({**named, "cache_salt": "other"}), {})
        self.assertEqual(self.held({**named, "lora_name": None}), {})
        keyed = {"tokens": TOKENS[:4], "extra_keys": IMAGE}
        self.assertEqual(self.held(keyed), {6: (2, 2, 2, 2)})
        self.assertEqual(self.held({"tokens": TOKENS[:4], "mm_keys": [["image-a"], None]}), {6: (2, 2, 2, 2)})
        self.assertEqual(self.held({**keyed, "extra_keys": [[["image-b", 0]], None]}), {})
        self.assertEqual(set(self.held({**keyed, "extra_keys": None})), {1, 2, 3, 4})
        self.assertEqual(self.held({"tokens": TOKENS[:4], "eagle": True}), {})
        # after a prompt with keys none of them is left
        said = self.query(ask(keyed, {"tokens": TOKENS[:4]}))["answers"]
        self.assertEqual([len(one["ranks"]) for one in said], [1, 4])

    def test_keys_that_nobody_understands(self):
        deep = 7
        for _ in range(100):
            deep = [deep]
        for keys, said in (([[7], None], "not understood"), ([None], "for 1 block"), (deep, "nested"),
                           ([[["image-a", 0]], None, None], "for 3 blocks")):
            with self.subTest(keys=keys):
                text = self.query(ask({"tokens": []}, {"tokens": TOKENS[:4], "extra_keys": keys}), 422)["error"]
                self.assertIn(said, text)
                self.assertIn("prompt 1: ", text)

    def test_many_keys(self):
        """The largest prompt that is likely is answered; more values than that never reach what reads keys, which
        takes some hundred bytes for each."""
        image = ["".join(random.choices("0123456789abcdef", k=64)), 16]
        prompt = {"tokens": [*range(100_000)], "extra_keys": [[image] if i % 8 == 0 else None for i in range(50_000)]}
        self.assertEqual(self.query(ask(prompt))["answers"][0]["blocks"], 50_000)
        most = {"tokens": TOKENS[:4], "extra_keys": [[{}] * (KEY_VALUES - 1), None]}
        self.assertIn("not understood", self.query(ask(most), 422)["error"])
        for few in ([[7]], [[{"a": None}]]):  # beside it; a null of an object has a name
            said = self.query(ask(most, {"tokens": TOKENS[:4], "extra_keys": few}), 422)["error"]
            self.assertIn(f"prompts[1].extra_keys: the keys of all prompts have more than {KEY_VALUES} values", said)
        for value in b"{}", b"[]", b"1", b'""', b"[{}]", b'{"a":1}':
            for member in b"extra_keys", b"mm_keys":
                keys = b",".join([value] * ((8 << 20) // (len(value) + 1) - 100))
                said = self.query(b'{"model":"m","prompts":[{"tokens":[1,2],"%s":[[%s]]}]}' % (member, keys), 422)
                self.assertIn(f"more than {KEY_VALUES} values", said["error"])
        self.assertIn("keys for 5 blocks, and 4 tokens",
                      self.query(ask({"extra_keys": [None] * 5, "tokens": TOKENS[:4]}), 422)["error"])
        if IS_PLAIN:
            self.assertLess(self.peak_bytes(), PEAK_BYTES)

    def peak_bytes(self):
        with open(f"/proc/{self.daemon.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))

    def test_min_state(self):
        for state, workers in (("exact", {1, 2}), ("lacking", {1, 2, 3}), ("inexact", {1, 2, 3, 4}),
                               ("stale", {1, 2, 3, 4}), (None, {1, 2, 3, 4})):
            self.assertEqual(set(self.held({"tokens": TOKENS}, min_state=state)), workers)
        for state in "EXACT", "gone", "recovering", "", 1:
            self.assertIn("min_state", self.query(ask({"tokens": []}, min_state=state), 422)["error"])

    def test_block_tokens(self):
        """Where there is one size it may be said, and then it is the one."""
        for size in (2, 2.0, None):
            self.assertEqual(self.query(ask({"tokens": TOKENS}, block_tokens=size))["block_tokens"], 2)
        self.assertIn("blocks of 4 tokens", self.query(ask({"tokens": TOKENS}, block_tokens=4), 404)["error"])
        for size in (0, -1, 65537, 1 << 63, 2.5, "2", True, [2]):
            self.assertIn("block_tokens", self.query(ask({"tokens": []}, block_tokens=size), 422)["error"])

    def test_tenants(self):
        self.assertEqual(set(self.held({"tokens": TOKENS}, tenant="other")), {8})
        self.assertEqual(self.query(ask({"tokens": []}, tenant="other"))["tenant"], "other")
        self.assertIn("/v1/workers", self.query(ask({"tokens": []}, tenant="none"), 404)["error"])

    def test_workers(self):
        seen = ranks(self.daemon)
        self.assertLessEqual({rank[0] for rank in seen}, set(range(1, 10)))
        rank = seen[2, 3]
        self.assertEqual(rank["held_blocks"], {"device": 2, "host": 1, "disk": 0, "external": 0})
        self.assertEqual([rank[name] for name in ("model", "tenant", "block_tokens", "instance", "state", "cause",
                                                  "last_event_id", "slots_lost")],
                         ["m", "", 2, "feed://2/3", "exact", None, 3, 0])
        self.assertEqual(set(rank["recoveries"]), {"continue", "barrier", "ledger"})
        self.assertGreaterEqual(rank["recoveries"]["barrier"], 1)  # that of its birth
        self.assertEqual(rank["recoveries"]["ledger"], 0)
        for path, workers in (("?model=m", range(1, 9)), ("?tenant=other", [8]), ("?model=m&tenant=", range(1, 8)),
                              ("?model=x", []), ("?model=%6d&tenant=oth%65r", [8])):
            said = self.daemon.ask("GET", "/v1/workers" + path)[1]["ranks"]
            self.assertEqual({rank["worker"] for rank in said if rank["state"] != "gone"}, set(workers), path)
        for path in "?model=%zz", "?tenant=" + "x" * 256:
            status, said = self.daemon.ask("GET", "/v1/workers" + path)
            self.assertEqual((status, set(said)), (400, {"error"}))

    def test_a_rank_without_events(self):
        with feed(self.daemon.directory, [{"worker": 9, "type": "removed", "names": []}], "--tenant=silent"):
            rank, = until(lambda: self.daemon.ask("GET", "/v1/workers?tenant=silent")[1]["ranks"], "it never comes")
        self.assertEqual([rank["last_event_id"], rank["event_age_ns"]], [0, None])
        self.assertIsNotNone(rank["age_ns"])

    def test_a_rank_that_dies(self):
        with feed(self.daemon.directory, [stored(9, [91], [50, 51])]):
            until_held(self.daemon, {(9, 0): 1})
            self.assertEqual(set(self.held({"tokens": [50, 51]})), {9})
        until(lambda: (9, 0) not in ranks(self.daemon) or ranks(self.daemon)[9, 0]["state"] == "gone",
              "it never goes")
        until(lambda: self.held({"tokens": [50, 51]}) == {}, "it holds something still")

    def test_wrong_bodies(self):
        prompt = {"tokens": [1]}
        for body, status, said in (
                (b'{"model":"m","prompts":[{"tokens":[1]', 400, "JSON"), (b'', 400, "JSON"), (b'\xff{}', 400, "JSON"),
                (b'{"model":"\xff","prompts":[]}', 400, "JSON"), (b'{"model":"m"}{}', 400, "JSON"),
                (b'[]', 422, "give an object"), (b'null', 422, "give an object"),
                ({"prompts": [prompt]}, 422, "no model"), ({"model": "m"}, 422, "no prompts"),
                ({"model": None, "prompts": [prompt]}, 422, "no model"),
                (ask(), 422, "empty"), (ask(prompt, unknown=1), 422, '"unknown"'),
                (ask(prompt, model=7), 422, "model is 7"), (ask(prompt, model="m" * 256), 422, "255 bytes"),
                (ask(prompt, tenant="a\0b"), 422, "tenant"), (ask(prompt, prompts={}), 422, "an object"),
                (ask(7), 422, "prompts[0] is 7"), (ask(prompt, {}), 422, "prompts[1]: give one of"),
                (ask({"tokens": [1], "local_hashes": [1]}), 422, "one of"),
                (ask({"local_hashes": [1], "cache_salt": "x"}), 422, "hashes hold them"),
                (ask({"tokens": [1], "extra_keys": [], "mm_keys": []}), 422, "one of them"),
                (ask({"tokens": [1], "token_ids": [1]}), 422, '"token_ids"'),
                (ask({"tokens": [1], "extra_keys": {}}), 422, "prompts[0].extra_keys"),
                (ask({"tokens": [1], "eagle": 1}), 422, "true or false"),
                (ask({"tokens": [1, -1]}), 422, "prompts[0].tokens[1] is -1: give a whole number from 0"),
                (ask({"tokens": [1 << 32]}), 422, "4294967295"), (ask({"tokens": [1.5]}), 422, "1.5"),
                (ask({"tokens": "1"}), 422, 'tokens is "1": give an array'), (ask({"tokens": None}), 422, "one of"),
                (ask({"local_hashes": [1 << 64]}), 400, "JSON"), (ask({"local_hashes": [-1 << 64]}), 400, "JSON"),
                (ask({"local_hashes": [True]}), 422, "local_hashes[0] is true"),
                (ask({"prefix_hashes": [1e300]}), 422, "64 bits"),
                (b'{"model":"m","model":"m","prompts":[{"tokens":[1]}]}', 422, "twice"),
                (b'{"model":null,"model":"m","prompts":[{"tokens":[1]}]}', 422, "twice"),
                (b'{"model":"m","prompts":[{"tokens":[1],"tokens":[1]}]}', 422, "twice"),
                (b'{"model":"m","prompts":[{"tokens":[' + b'1' * 400 + b']}]}', 400, "JSON"),
                (b'[' * 5000, 400, "JSON")):
            with self.subTest(body=body):
                answer = self.query(body, status)
                self.assertEqual(set(answer), {"error"})
                self.assertIn(said, answer["error"])
        self.assertEqual(self.held({"tokens": TOKENS[:2]}).keys(), {1, 2, 3, 4})

    def test_bodies_that_were_changed(self):
        """Bytes of a right one replaced, doubled, left out: an answer to each, and then to the right one."""
        chance = random.Random(1)
        right = json.dumps(ask({"tokens": TOKENS[:4], "extra_keys": IMAGE, "lora_name": "\u00e9", "eagle": False},
                               {"prefix_hashes": [-1, 1 << 63]}, tenant="", min_state="exact")).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        seen = set()
        for _ in range(600):
            body = bytearray(right)
            for _ in range(chance.randrange(1, 4)):
                at = chance.randrange(len(body))
                body[at:at + chance.randrange(3)] = chance.choice([
                    bytes([chance.randrange(256)]), b"", b"9" * 20, b"null", b"{", b"]", b'"', b",", b"-", body[at:at + 9]])
            connection.request("POST", "/v1/query", bytes(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = json.loads(answer.read())
            self.assertEqual(set(said) == {"error"}, answer.status != 200, (bytes(body), said))
            seen.add(answer.status)
        self.assertLessEqual({400, 422}, seen)
        self.assertLessEqual(seen, {200, 400, 404, 422})
        self.assertEqual(len(self.query(right)["answers"]), 2)

    def test_errors_are_json(self):
        """Also where no route is asked."""
        for method, path, body, headers, status in (
                ("POST", "/v1/query", "{}", {"Content_Type": "text/plain"}, 415), ("GET", "/v1/nothing", None, {}, 404),
                ("GET", "/v1/query", None, {}, 405), ("POST", "/v1/workers", "{}", {}, 405),
                ("GET", "/v1/workers", None, {"X": "x" * 20000}, 431)):
            answer = self.daemon.ask(method, path, body, **headers)
            self.assertEqual((answer[0], set(answer[1])), (status, {"error"}))
        with self.daemon.connect() as client, client.makefile("rb") as stream:
            client.sendall(b"POST /v1/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\n")
            status, headers, body = read_answer(stream)
            self.assertEqual((status, headers["content-type"], set(json.loads(body))),
                             (413, "application/json", {"error"}))

    def test_parameters_that_are_not_known(self):
        """As members: what they ask for would not be answered."""
        for method, path in (("GET", "/v1/workers"), ("POST", "/v1/query"), ("POST", "/v1/choose"), ("GET", "/v1/live"),
                             ("GET", "/v1/openapi.json")):
            for parameters, name in (("bogus=1", "bogus"), ("a%20b", "a b"), ("=1", ""), ("&x%00=", "x?"), ("model=m&x=1", None)):
                with self.subTest(path=path, parameters=parameters), self.daemon.connect() as client, \
                        client.makefile("rb") as stream:
                    client.sendall(f"{method} {path}?{parameters} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
                    status, _, body = read_answer(stream)  # of /v1/live without an end its head
                    self.assertEqual(status, 400)
                    named = name if name is not None else "x" if path == "/v1/workers" else "model"
                    self.assertIn(f'{path} has no parameter "{named}"', json.loads(body)["error"])
        status, said = self.daemon.ask("GET", "/v1/workers?model=m&model=m")
        self.assertEqual((status, said), (400, {"error": "model is there twice: give it once"}))
        self.assertEqual(self.daemon.ask("GET", "/health?bogus=1")[0], 200)

    def test_methods_are_named(self):
        for method, path, allowed in (("GET", "/v1/query", "POST"), ("PUT", "/v1/workers", "GET, HEAD"),
                                      ("DELETE", "/query", "POST")):
            with self.daemon.connect() as client, client.makefile("rb") as stream:
                client.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                status, headers, _ = read_answer(stream)
                self.assertEqual((status, headers["allow"]), (405, allowed))


class BlockSizes(unittest.TestCase):
    """Workers of one model with two: which ones are meant is said, and no others are asked then."""

    def test_both(self):
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(open(f"{DIR}/sizes.err", "w+", encoding="utf-8"))
            daemon = Daemon("sizes", process={"stderr": log, "preexec_fn": die_with_parent})
            stack.callback(daemon.close)
            stack.enter_context(feed(daemon.directory, [stored(1, [1, 2, 3], TOKENS[:6])]))
            stack.enter_context(feed(daemon.directory, [stored(2, [1, 2], TOKENS)], "--block-tokens=4"))
            until_held(daemon, {(1, 0): 3, (2, 0): 2})
            status, said = daemon.ask("POST", "/v1/query", ask({"tokens": TOKENS}))
            self.assertEqual(status, 409)
            self.assertRegex(said["error"], "one of (2, 4|4, 2)$")
            self.check_other_routes(daemon, log)
            for size, worker, blocks, held in ((2, 1, 4, 3), (4, 2, 2, 2)):
                self.check(daemon, size, worker, blocks, held)
            status, said = daemon.ask("POST", "/v1/query", ask({"tokens": TOKENS}, block_tokens=8))
            self.assertEqual((status, "blocks of 8 tokens" in said["error"]), (404, True))

    def check_other_routes(self, daemon, log):
        """Those that have no word for it say what to do."""
        status, said = daemon.ask("POST", "/query", query(TOKENS, "m"))
        self.assertEqual((status, said), (409, {"error": "workers of model 'm' have different block sizes: ask POST "
                                                         "/v1/query, and give block_tokens"}))
        for size in 16, 2, 4:
            status, said = daemon.ask("POST", "/register", {"instance_id": 7, "endpoint": "tcp://127.0.0.1:9", "model_name": "m",
                                                            "block_size": size})
            self.assertEqual(status, 409, said)
            self.assertRegex(said["error"], f"existing={'4' if size == 2 else '2' if size == 4 else '[24]'}, requested={size}$")
        self.assertEqual(daemon.ask("GET", "/dump"), (200, {}))

        def told():
            with open(log.name, encoding="utf-8") as file:
                return "/dump: m:default left out: their workers have different block sizes" in file.read()
        until(told, "the log does not say what a dump leaves out")

    def check(self, daemon, size, worker, blocks, held):
        status, said = daemon.ask("POST", "/v1/query", ask({"tokens": TOKENS}, {"tokens": TOKENS}, block_tokens=size))
        self.assertEqual((status, said["block_tokens"]), (200, size))
        self.assertEqual([[(answer["blocks"], row["worker"], row["device_blocks"]) for row in answer["ranks"]]
                          for answer in said["answers"]], [[(blocks, worker, held)]] * 2)
        status, said = daemon.ask("POST", "/v1/choose", {
            "model": "m", "prompt": {"tokens": TOKENS}, "loads": [{"worker": 1}, {"worker": 2}], "block_tokens": size})
        self.assertEqual((status, said["block_tokens"], said["chosen"]["worker"], said["chosen"]["held_blocks"]),
                         (200, size, worker, held))


class Access(unittest.TestCase):
    def test_token(self):
        with open(f"{DIR}/v1-token.txt", "w", encoding="ascii") as file:
            file.write("0123456789abcdef\n")
        daemon = Daemon("v1-token", f"--token-file={DIR}/v1-token.txt")
        self.addCleanup(daemon.close)
        for method, path in (("POST", "/v1/query"), ("GET", "/v1/workers"), ("POST", "/v1/choose"),
                             ("GET", "/v1/openapi.json")):
            status, said = daemon.ask(method, path, "{}" if method == "POST" else None)
            self.assertEqual((status, set(said)), (401, {"error"}), path)
        status, said = daemon.ask("GET", "/v1/workers", Authorization="Bearer 0123456789abcdef")
        self.assertEqual((status, said), (200, {"ranks": []}))


if __name__ == "__main__":
    unittest.main(argv=["test_v1.py"], verbosity=2)
