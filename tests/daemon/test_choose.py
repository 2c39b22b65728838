#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""/v1/choose: costs, turns, and what was just routed: test_choose.py BIN_DIR io_uring|epoll DIR"""
import contextlib
import unittest

from rig import DIR, Daemon, query, until
from v1_rig import TOKENS, feed, stored, until_held

EVENTS = [stored(1, [11, 12, 13, 14], TOKENS), stored(2, [21, 22], TOKENS[:4]),
          stored(2, [23], TOKENS[4:6], parent=22, tier="host"),
          stored(3, [31], TOKENS[:2]), {"worker": 3, "type": "inexact"}]
HELD = {(1, 0): 4, (2, 0): 3, (3, 0): 1}
FOREVER = "--expect-for=1h"


def choice(tokens, *loads, **more):
    return {"model": "m", "prompt": {"tokens": tokens}, "loads": list(loads), **more}


def load(worker, units=0, **more):
    return {"worker": worker, "load": units, **more}


def fresh(i):
    """A prompt of three blocks that nobody holds, another one for each number."""
    return [1000 + i, 1, 2, 3, 4, 5]


class Choices(unittest.TestCase):
    def begin(self, name, *options):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        daemon = Daemon(name, *options)
        stack.callback(daemon.close)
        stack.enter_context(feed(daemon.directory, EVENTS))
        until_held(daemon, HELD, EVENTS)
        return daemon

    def choose(self, daemon, body, status=200):
        answer = daemon.ask("POST", "/v1/choose", body)
        self.assertEqual(answer[0], status, answer[1])
        return answer[1]

    def test_cost(self):
        daemon = self.begin("cost", "--expect-for=0s")
        said = self.choose(daemon, choice(TOKENS, load(2, 1.5), load(1, 4), load(9, 0, dp_rank=5), load(3, 0.25)))
        self.assertEqual({**said, "chosen": None, "candidates": None},
                         {"model": "m", "tenant": "", "block_tokens": 2, "blocks": 4, "overlap_weight": 1,
                          "chosen": None, "candidates": None})
        self.assertEqual([(one["worker"], one["dp_rank"], one["state"], one["held_blocks"], one["load"], one["cost"])
                          for one in said["candidates"]],
                         [(1, 0, "exact", 4, 4, 4), (2, 0, "exact", 3, 1.5, 2.5), (3, 0, "inexact", 1, 0.25, 3.25),
                          (9, 5, None, 0, 0, 4)])
        self.assertEqual(said["chosen"], {"worker": 2, "dp_rank": 0, "instance": "feed://2/0", "state": "exact",
                                          "held_blocks": 3, "expected_blocks": 0, "overlap_blocks": 3, "load": 1.5,
                                          "cost": 2.5})
        for weight, worker in ((0, 9), (0.5, 3), (3, 1), (1e9, 1)):
            chosen = self.choose(daemon, choice(TOKENS, load(1, 4), load(2, 1.5), load(3, 0.25), load(9, dp_rank=5),
                                                overlap_weight=weight))["chosen"]
            self.assertEqual(chosen["worker"], worker, weight)
        exact = self.choose(daemon, choice(TOKENS[:2], load(3), min_state="exact"))
        self.assertEqual((exact["chosen"]["held_blocks"], exact["chosen"]["state"]), (0, "inexact"))

    def test_a_burst_goes_to_one(self):
        """Of a prompt that nobody holds: the first one takes its turn, all others follow it, unless it is full."""
        daemon = self.begin("burst", FOREVER)
        loads = [load(worker) for worker in (1, 2, 3)]
        first = self.choose(daemon, choice(fresh(0), *loads))["chosen"]
        self.assertEqual((first["expected_blocks"], first["overlap_blocks"], first["cost"]), (0, 0, 3))
        for _ in range(20):
            said = self.choose(daemon, choice(fresh(0), *loads))
            self.assertEqual((said["chosen"]["worker"], said["chosen"]["expected_blocks"], said["chosen"]["held_blocks"],
                              said["chosen"]["cost"]), (first["worker"], 3, 0, 0))
            self.assertEqual({one["expected_blocks"] for one in said["candidates"]
                              if one["worker"] != first["worker"]}, {0})
        # prompts that go on from there, or part from it, are expected as far as they are the same
        longer = self.choose(daemon, choice(fresh(0) + [6, 7], *loads))["chosen"]
        self.assertEqual((longer["worker"], longer["expected_blocks"], longer["cost"]), (first["worker"], 3, 1))
        parted = self.choose(daemon, choice(fresh(0)[:4] + [8, 9], *loads))["chosen"]
        self.assertEqual((parted["worker"], parted["expected_blocks"], parted["cost"]), (first["worker"], 2, 1))
        # a load that is too high counts, and then both are expected to hold it
        loads[first["worker"] - 1]["load"] = 50
        second = self.choose(daemon, choice(fresh(0), *loads))["chosen"]
        self.assertNotEqual(second["worker"], first["worker"])
        said = self.choose(daemon, choice(fresh(0), *loads))
        self.assertEqual(sorted(one["expected_blocks"] for one in said["candidates"]), [0, 3, 3])

    def test_never_in_what_engines_said(self):
        daemon = self.begin("apart", FOREVER)
        asked = ({"model": "m", "prompts": [{"tokens": fresh(0)}, {"tokens": TOKENS}]}, query(fresh(0), "m"))

        def said():
            rows = daemon.ask("POST", "/v1/query", asked[0])[1]["answers"]
            held = [[(row["worker"], row["external_blocks"]) for row in one["ranks"]] for one in rows]
            ranks = daemon.ask("GET", "/v1/workers")[1]["ranks"]
            return held, [rank["held_blocks"] for rank in ranks], daemon.ask("POST", "/query", asked[1])
        before = said()
        self.assertEqual(before[0], [[], [(1, 4), (2, 3), (3, 1)]])
        for tokens in fresh(0), TOKENS, fresh(0):
            chosen = self.choose(daemon, choice(tokens, load(3)))["chosen"]
            self.assertEqual(chosen["worker"], 3)
        self.assertEqual((chosen["held_blocks"], chosen["expected_blocks"]), (0, 3))
        self.assertEqual(said(), before)

    def test_other_indexes(self):
        """The same worker and prompt of another tenant: nothing is expected there."""
        daemon = self.begin("tenants", FOREVER)
        with feed(daemon.directory, [stored(4, [41], TOKENS[:2])], "--tenant=other"):
            until_held(daemon, {(4, 0): 1})
            self.choose(daemon, choice(fresh(0), load(4)))
            for tenant, blocks, state in (("other", 0, "exact"), ("", 3, None)):
                chosen = self.choose(daemon, choice(fresh(0), load(4), tenant=tenant))["chosen"]
                self.assertEqual((chosen["expected_blocks"], chosen["state"]), (blocks, state))

    def test_expires(self):
        daemon = self.begin("expires", "--expect-for=1ms")
        self.choose(daemon, choice(fresh(0), load(1)))
        # that one is chosen again makes it expected again: ask of it while another is chosen
        loads = [load(1, 100), load(2)]
        until(lambda: self.choose(daemon, choice(fresh(0), *loads))["candidates"][0]["expected_blocks"] == 0,
              "it is expected for ever")
        until(lambda: "\nringdex_expected_blocks 0\n" in daemon.ask("GET", "/metrics")[1], "it is counted for ever")
        self.assertRegex(daemon.ask("GET", "/metrics")[1], 'ended_total{how="expired"} [1-9]')

    def test_metrics(self):
        """What was chosen, and what is expected, is counted: no series but these."""
        daemon = self.begin("counted", FOREVER)

        def counted():
            text = daemon.ask("GET", "/metrics")[1]
            return {line.split()[0]: int(line.split()[1]) for line in text.splitlines()
                    if line.startswith(("ringdex_choices", "ringdex_expected"))}

        def expected(held=0, more=0, none=0, blocks=0):
            return {'ringdex_choices_total{overlap="held"}': held, 'ringdex_choices_total{overlap="expected"}': more,
                    'ringdex_choices_total{overlap="none"}': none, "ringdex_expected_blocks": blocks,
                    'ringdex_expected_blocks_ended_total{how="expired"}': 0,
                    'ringdex_expected_blocks_ended_total{how="displaced"}': 0}
        self.assertEqual(counted(), expected())
        self.choose(daemon, choice(fresh(0), load(4)))  # three blocks that nobody holds
        self.assertEqual(counted(), expected(none=1, blocks=3))
        self.choose(daemon, choice(fresh(0), load(4)))
        self.assertEqual(counted(), expected(none=1, more=1, blocks=3))
        self.choose(daemon, choice(TOKENS, load(1)))    # four that it holds
        self.choose(daemon, choice(TOKENS, load(1)))
        self.assertEqual(counted(), expected(held=2, none=1, more=1, blocks=7))
        self.choose(daemon, choice([1], load(1), model="none"), 404)
        self.assertEqual(counted(), expected(held=2, none=1, more=1, blocks=7))

    def test_turns(self):
        """Those that cost as much as each other have their turns."""
        daemon = self.begin("turns", FOREVER)
        workers = [self.choose(daemon, choice(fresh(i), load(9), load(3), load(3, dp_rank=1), load(2, 5)))["chosen"]
                   for i in range(9)]
        self.assertEqual([(one["worker"], one["dp_rank"]) for one in workers], [(3, 0), (3, 1), (9, 0)] * 3)

    def test_forms(self):
        """Hashes and tokens that name the same blocks are the same prompt."""
        daemon = self.begin("forms", FOREVER)
        for prompt in {"local_hashes": [5, 6]}, {"local_hashes": [5]}, {"prefix_hashes": [7, 8, 9]}, {"tokens": [1]}:
            body = {"model": "m", "prompt": prompt, "loads": [load(4)]}
            self.choose(daemon, body)
            blocks = len(next(iter(prompt.values()))) if "tokens" not in prompt else 0
            said = self.choose(daemon, body)
            self.assertEqual((said["blocks"], said["chosen"]["expected_blocks"]), (blocks, blocks))
        said = self.choose(daemon, {"model": "m", "prompt": {"tokens": [1, 2], "cache_salt": "x"}, "loads": [load(4)]})
        self.assertEqual(said["chosen"]["expected_blocks"], 0)

    def test_wrong_bodies(self):
        daemon = self.begin("wrong")
        right = choice([1], load(1))
        for body, status, said in (
                (b'{', 400, "JSON"), ({**right, "loads": []}, 422, "empty"), ({**right, "loads": None}, 422, "no loads"),
                ({**right, "prompt": None}, 422, "no prompt"), ({**right, "prompts": []}, 422, '"prompts"'),
                (choice([1], load(1), load(2), load(1)), 409, "worker 1, dp_rank 0 twice"),
                (choice([1], {"load": 1}), 422, "loads[0] has no worker"), (choice([1], 7), 422, "loads[0] is 7"),
                (choice([1], load(1), load(-1)), 422, "loads[1].worker is -1"), (choice([1], load(1.5)), 422, "1.5"),
                (choice([1], load(1, -1)), 422, "loads[0].load is -1"), (choice([1], load(1, 1e16)), 422, "from 0 to"),
                (choice([1], load(1, "1")), 422, "a number"), (choice([1], load(1, dp_rank=1 << 32)), 422, "dp_rank"),
                (choice([1], load(1, cost=1)), 422, '"cost"'), (choice([1], *map(load, range(257))), 422, "256 loads"),
                (choice([1], load(1), overlap_weight=-1), 422, "overlap_weight"),
                (choice([1], load(1), overlap_weight=1e10), 422, "overlap_weight"),
                (b'{"model":"m","prompt":{"tokens":[1]},"loads":[{"worker":1,"load":1e999}]}', 400, "JSON"),
                (choice([1], load(1), model="none"), 404, "/v1/workers"),
                (choice([1, 2], load(1), prompt={"tokens": [1, 2], "extra_keys": [[7]]}), 422, "not understood")):
            with self.subTest(body=body):
                answer = self.choose(daemon, body, status)
                self.assertEqual(set(answer), {"error"})
                self.assertIn(said, answer["error"])
        self.assertEqual(len(self.choose(daemon, choice([1], *map(load, range(256))))["candidates"]), 256)
        most = self.choose(daemon, choice(TOKENS, load((1 << 64) - 1, 1e15), overlap_weight=1e9))["chosen"]
        self.assertEqual((most["worker"], most["cost"]), ((1 << 64) - 1, 1e15 + 4e9))

    def test_switched_off(self):
        with open(f"{DIR}/off.conf", "w", encoding="ascii") as file:
            file.write("no-choose = yes\n")
        for options in ["--no-choose"], [f"--config={DIR}/off.conf"]:
            daemon = Daemon("off", *options)
            self.addCleanup(daemon.close)
            said = self.choose(daemon, choice([1], load(1)), 403)
            self.assertIn("--no-choose", said["error"])
            self.assertEqual(daemon.ask("POST", "/v1/query", {"model": "m", "prompts": [{"tokens": []}]})[0], 404)
            daemon.close()


if __name__ == "__main__":
    unittest.main(argv=["test_choose.py"], verbosity=2)
