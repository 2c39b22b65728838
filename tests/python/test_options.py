# SPDX-License-Identifier: Apache-2.0
"""Each option of the engines' URL, and its variable, against what reaches the segment or the translator: what
the rank is without it, and what with it."""

import logging
import os
import shutil
import unittest
from unittest import mock
from urllib.parse import quote

import ringdex
from events import MAKES, VLLM, Batch, Engine, as_dataclass, as_plain
from rig import BLOCK
from ringdex import url
from test_engines import TOKENS, Plugged

WORKER = 7
ENGINE = Engine(VLLM, MAKES[-1])
BASE = {"instance": "i", "worker": str(WORKER), "host": "8"}


def info(name):
    def measure(test, publisher):
        with ringdex.Reader(WORKER, dir=test.dir) as reader:
            return reader.info[name]

    return measure


def blocks(tier):
    return lambda test, publisher: info("tier_blocks")(test, publisher)[tier]


def published(*events, then=()):
    """What the rank holds in device and host, and what it is worth."""

    def measure(test, publisher):
        for batch in (events, *then):
            publisher.publish(Batch(list(batch)))
        stats = publisher._publisher.stats()
        return *stats["held"][:2], stats["inexact"]

    return measure


def remembered(test, publisher):
    """In thousands: the segment has some more, for it ends with a page."""
    names = info("ledger_records")(test, publisher) - sum(info("tier_blocks")(test, publisher))
    return names // 1000


def after_a_sibling_cleared(test, publisher):
    publisher.publish(Batch([ENGINE.store([71, 72, 73], TOKENS)]))
    with ringdex.Publisher("i", "model", worker_id=WORKER, dp_rank=1, device_blocks=8, dir=test.dir,
                           block_tokens=BLOCK, clear_scope="worker") as sibling:
        sibling.cleared()
        publisher._publisher.check()
    return publisher._publisher.stats()["held"][0]


def is_there(test, publisher):
    return os.path.isdir(os.path.join(test.elsewhere, str(WORKER)))


def teed(test, publisher):
    return publisher._tee.endpoint if publisher._tee else None


def stored(*more, **fields):
    return ENGINE.store([71, 72, 73], TOKENS, *more, **fields)


def of_groups(*groups):
    return [stored(group_idx=group, kv_cache_spec_kind="full_attention") for group in groups]


MOVED = as_plain("BlockMoved", {})(block_hashes=[71])
SAID = as_dataclass("BlockRemoved", {**VLLM["BlockRemoved"], "volume": None})([73], "GPU", volume=3)
ROOT = b"\0" * 32
NAMES = [bytes([n]) * 32 for n in (71, 72, 73)]

# option: its text, how it shows, what shows without it and with it
TABLE = {
    "dir": ("", is_there, False, True),
    "instance": ("http://[::1]:8000/a?b&c", info("instance"), "i", "http://[::1]:8000/a?b&c"),
    "worker": ("8", lambda test, publisher: sorted(n for n in os.listdir(test.dir) if n.isdigit()),
               ["7"], ["8"]),
    "model": ("other", info("model"), "model", "other"),
    "tenant": ("t", info("tenant"), "", "t"),
    "block_tokens": ("8", info("block_tokens"), BLOCK, 8),
    "blocks": ("1_000", blocks(0), 80, 1000),
    "host": ("9", blocks(1), 8, 9),
    "disk": ("10", blocks(2), 0, 10),
    "external": ("11", blocks(3), 0, 11),
    "ring_slots": ("128", info("ring_slots"), 65536, 128),
    "remembered_names": ("3000", remembered, 1, 3),
    "report_mode": ("presence", info("report_mode"), 0, 2),
    "clear_scope": ("worker", after_a_sibling_cleared, 3, 0),
    "cleared_means": ("device", published(
        stored(), stored(medium="CPU"), ENGINE.cleared()), (0, 0, None), (0, 3, None)),
    "counting_groups": ("2", published(*of_groups(0), then=[of_groups(1)]),
                        (3, 0, "unknown"), (3, 0, None)),
    "counting_kinds": ("ours,other", published(stored(group_idx=0, kv_cache_spec_kind="ours")),
                       (0, 0, "unknown"), (3, 0, None)),
    "media": ("RAM:host,POOL:none", published(stored(), stored(medium="RAM"), stored(medium="POOL")),
              (3, 0, "lacking"), (3, 3, None)),
    "types": ("BlockMoved:removed", published(stored(), MOVED), (3, 0, "unknown"), (2, 0, None)),
    "harmless_fields": ("volume,other", published(stored(), SAID), (2, 0, "unknown"), (2, 0, None)),
    "skip_unknown": ("1", published(stored(), MOVED), (3, 0, "unknown"), (3, 0, None)),
    "joined_late": ("1", published(stored()), (3, 0, None), (3, 0, "lacking")),
    "zero_is_root": ("1", published(ENGINE.store(NAMES, TOKENS, ROOT)), (0, 0, "lacking"), (3, 0, None)),
    "tee": ("tcp://*:5557", teed, None, "tcp://*:5557"),
}

# What a variable says that the URL overrules; the others say 0.
OTHERWISE = {
    "dir": "/no/such", "blocks": "5", "block_tokens": "16", "report_mode": "mixed", "clear_scope": "rank",
    "cleared_means": "all", "counting_groups": "3", "media": "RAM:disk,POOL:disk",
    "types": "BlockMoved:stored", "tee": "taken",
}


class Options(Plugged):
    def setUp(self):
        super().setUp()
        self.elsewhere = os.path.join(self.dir, "elsewhere")

    def shown(self, measure, options, environ=()):
        """What shows of a rank with these options, in a directory of its own."""
        whole, self.dir = self.dir, os.path.join(self.dir, "ns")
        query = "&".join(f"{name}={quote(text)}" for name, text in
                         {"dir": self.dir, **BASE, **options}.items() if text is not None)
        with mock.patch.dict(os.environ, environ):
            publisher = self.vllm("ringdex:?" + query)
        try:
            self.assertIsNotNone(publisher._publisher, self.said)
            return measure(self, publisher)
        finally:
            publisher.shutdown()
            for folder in (self.dir, self.elsewhere):
                shutil.rmtree(folder, ignore_errors=True)
            self.dir = whole

    def test_each_is_in_the_table(self):
        self.assertEqual(set(TABLE), set(url._OPTIONS))

    def test_each_does_what_it_says(self):
        for name, (text, measure, without, given) in TABLE.items():
            text = text or self.elsewhere
            variable = {"RINGDEX_" + name.upper(): text}
            with self.subTest(name):
                self.assertNotEqual(without, given)
                self.assertEqual(self.shown(measure, {}), without)
                self.assertEqual(self.shown(measure, {name: text}), given)
                self.assertEqual(self.shown(measure, {name: None}, variable), given)

    def test_the_url_counts_first(self):
        for name, (text, measure, _, given) in TABLE.items():
            with self.subTest(name):
                self.assertEqual(self.shown(measure, {name: text or self.elsewhere},
                                            {"RINGDEX_" + name.upper(): OTHERWISE.get(name, "0")}), given)


class Variables(unittest.TestCase):
    def said(self, environ):
        """Of two publishers in a process."""
        with mock.patch.object(url, "_said", set()), self.assertLogs("ringdex") as logs:
            logging.getLogger("ringdex").warning("begun")
            for _ in range(2):
                options = url.parse("ringdex:?instance=i", environ).options
        self.assertEqual(options["instance"], "i")
        return [record.getMessage() for record in logs.records[1:]]

    def test_a_misspelled_one_is_said(self):
        for name in ("RINGDEX_BLOKS", "RINGDEX_DEVICE_BLOCKS", "RINGDEX_blocks", "RINGDEX_"):
            said = self.said({name: "7", "RINGDEX_BLOCKS": "8"})
            self.assertEqual(len(said), 1)
            self.assertIn(f"{name} means nothing: the variables are RINGDEX_BLOCKS, ", said[0])
        self.assertEqual(len(self.said({"RINGDEX_BLOKS": "7", "RINGDEX_HOSTS": "7"})), 2)

    def test_others_are_not(self):
        self.assertEqual(self.said({
            **{"RINGDEX_" + name.upper(): text or "/" for name, (text, *_) in TABLE.items()},
            "RINGDEX_BLOKS": "", "RINGDEXES": "1", "XRINGDEX_BLOKS": "1", "RDX_TEST_DIR": "1",
            # of the services ringdex and ringdex-index
            "RINGDEX_SERVICE_HOST": "10.0.0.1", "RINGDEX_SERVICE_PORT": "8090",
            "RINGDEX_SERVICE_PORT_HTTP": "8090", "RINGDEX_PORT": "tcp://10.0.0.1:8090",
            "RINGDEX_PORT_8090_TCP": "tcp://10.0.0.1:8090", "RINGDEX_PORT_8090_TCP_ADDR": "10.0.0.1",
            "RINGDEX_INDEX_SERVICE_HOST": "10.0.0.2", "RINGDEX_INDEX_PORT_1_TCP_PROTO": "tcp",
        }), [])

    def test_none_of_ours_is_another(self):
        """An option whose name is as one of Kubernetes's would be taken from there."""
        for name in TABLE:
            self.assertIsNone(url._OF_A_SERVICE.fullmatch("RINGDEX_" + name.upper()))


if __name__ == "__main__":
    unittest.main()
