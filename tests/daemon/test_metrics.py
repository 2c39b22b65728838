#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What /metrics says, and whether those who read it have the names right: test_metrics.py BIN_DIR io_uring|epoll DIR"""
import contextlib
import glob
import json
import math
import mmap
import os
import re
import shutil
import signal
import struct
import subprocess
import time
import unittest

from rig import BIN, DIR, HELD, PROMPT, Daemon, die_with_parent, query, until, worker

PACKAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../package")
RULES = f"{PACKAGE}/prometheus/ringdex.rules.yml"
LONG = os.environ.get("RDX_LONG") == "1"
WITH_PROMTOOL = unittest.skipUnless(shutil.which("promtool"), "there is no promtool: ./dev test --ci fetches it")
OPEN = "application/openmetrics-text"
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\}})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"')
ENDS = {"counter": {""}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}


class Page:
    """Strictly read: families in one piece each, with help and type, no sample twice."""

    def __init__(self, text, is_open=False):
        self.samples, self.types = {}, {}
        lines = text.split("\n")
        assert lines.pop() == "", "no end of line at the end"
        if is_open:
            assert lines.pop() == "# EOF", "no EOF"
        family = None
        for line in lines:
            if line.startswith("# HELP "):
                _, _, family, help_text = line.split(" ", 3)
                assert family not in self.types and help_text, line
                self.types[family] = None
            elif line.startswith("# TYPE "):
                name, kind = line.split(" ")[2:]
                assert name == family and self.types[name] is None and kind in ENDS, line
                self.types[name] = kind
            else:
                self.take_sample(line, family, is_open)

    def take_sample(self, line, family, is_open):
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        kind = self.types[family]
        assert name.startswith(family), line
        ends = {"_total"} if is_open and kind == "counter" else ENDS[kind]
        assert name[len(family):] in ends, line
        if kind == "counter":
            assert name.endswith("_total"), line
        else:
            assert not name.endswith("_total"), line
        assert not re.search(r"_(ms|us|ns|milliseconds|kib|mib)$", name), f"no base unit: {line}"
        pairs = LABEL.findall(labels or "")
        assert len(dict(pairs)) == len(pairs), line
        key = (name, tuple(sorted(pairs)))
        assert key not in self.samples, line
        self.samples[key] = float(value)
        assert kind == "gauge" or self.samples[key] >= 0, line

    def values(self, name, **labels):
        return [value for (other, pairs), value in self.samples.items()
                if other == name and set(labels.items()) <= set(pairs)]

    def one(self, name, **labels):
        values = self.values(name, **labels)
        assert len(values) == 1, (name, labels, values)
        return values[0]

    def names(self):
        return {name for name, _ in self.samples}

    def labels(self, name):
        """By label, all its values."""
        found = {}
        for other, pairs in self.samples:
            if other == name:
                for label, value in pairs:
                    found.setdefault(label, set()).add(value)
        return found

    def check_histogram(self, name, **labels):
        """Buckets grow up to the count; the sum fits what they say."""
        buckets = sorted((float(dict(pairs)["le"]), value) for (other, pairs), value in self.samples.items()
                         if other == name + "_bucket" and set(labels.items()) <= set(pairs))
        count, total = self.one(name + "_count", **labels), self.one(name + "_sum", **labels)
        assert buckets[-1] == (math.inf, count), buckets
        least = last = 0
        for (bound, value), (before, _) in zip(buckets, [(0, 0)] + buckets):
            assert value >= last, buckets
            least += before * (value - last)
            last = value
        assert total >= least * 0.999, (total, least)
        if buckets[-2][1] == count:
            most = sum(bound * (value - low) for (bound, value), (_, low) in
                       zip(buckets[:-1], [(0, 0)] + buckets))
            assert total <= most * 1.001 + 1e-9, (total, most)
        return count


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.daemon = Daemon("metrics")
        cls.stack.callback(cls.daemon.close)
        until(cls.daemon.at_work, "it never works")
        cls.stack.enter_context(worker(cls.daemon.directory))
        until(lambda: cls.daemon.ask("POST", "/query", query(PROMPT)) == (200, HELD),
              "the worker is never seen")
        # what names itself as a label would break them
        feed = subprocess.Popen([f"{BIN}/ringdex-feed", f"--dir={cls.daemon.directory}", "--block-tokens=2",
                                 "--model=a\"b\\c\nd", "--hold", "-"], stdin=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        cls.stack.callback(feed.wait)
        cls.stack.callback(feed.kill)
        feed.stdin.write(b'{"worker":9,"type":"stored","names":[1],"token_ids":[5,6],"block_size":2}\n')
        feed.stdin.close()
        until(lambda: 'worker="9"' in cls.text(), "the second worker is never seen")
        cls.say_source()

    @classmethod
    def say_source(cls, what=1, next_sequence=101, lag_ns=5_000_000):
        """As a bridge says it, of the second worker: docs/format.md has the words."""
        now = time.monotonic_ns()
        with open(f"{cls.daemon.directory}/9/0.seg", "r+b") as file:
            file.seek(4736)
            file.write(struct.pack("<8Q", what, next_sequence, 2, 3, 44, lag_ns, now - 7_000_000_000, now))

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    @classmethod
    def text(cls, **headers):
        status, text = cls.daemon.ask("GET", "/metrics", **headers)
        assert status == 200, status
        return text

    def page(self):
        return Page(self.text())

    def test_both_forms(self):
        page, other = self.page(), Page(self.text(Accept=f"text/html, {OPEN};version=1.0.0;q=0.5"), True)
        self.assertEqual(page.names(), other.names())
        self.assertEqual(set(page.labels("ringdex_rank_state")["model"]), {"example", r'a\"b\\c\nd'})
        for accept, is_open in ((f"{OPEN}", 1), (f"{OPEN}x", 0), ("*/*", 0), ("text/plain;x=" + OPEN, 0),
                                (f"text/plain,{OPEN.upper()}", 1)):
            self.assertEqual(self.text(Accept=accept).endswith("# EOF\n"), bool(is_open), accept)

    def test_histograms_count(self):
        before = self.page()
        for _ in range(20):
            self.daemon.ask("POST", "/query", query(PROMPT))
        self.daemon.ask("GET", "/x" * 50)
        self.daemon.ask("POST", "/query", query(PROMPT, "other"))
        page = self.page()

        def grown(name, **labels):
            return page.one(name, **labels) - before.one(name, **labels)
        requests = "ringdex_http_request_duration_seconds"
        self.assertEqual(grown(f"{requests}_count", route="/query"), 21)
        self.assertEqual(grown(f"{requests}_count", route="other"), 1)
        self.assertEqual(grown("ringdex_lookup_duration_seconds_count"), 20)
        self.assertEqual(grown("ringdex_http_answers_total", **{"class": "4xx"}), 2)
        self.assertEqual(grown("ringdex_http_answers_total", **{"class": "2xx"}), 21)
        self.assertGreaterEqual(grown("ringdex_http_turn_duration_seconds_count"), 20)
        for name in [name[:-len("_bucket")] for name in page.names() if name.endswith("_bucket")]:
            labels = {"route": "/query"} if name == requests else {}
            self.assertGreater(page.check_histogram(name, **labels), 0, name)
        lookups = page.one("ringdex_lookup_duration_seconds_sum")
        self.assertLess(lookups, page.one(f"{requests}_sum", route="/query"))

    def test_no_client_makes_a_label(self):
        """As many series as before, whatever is asked."""
        before = self.page().samples.keys()
        for i in range(50):
            self.daemon.ask("GET", f"/path{i}")
            self.daemon.ask("POST", "/query", query(PROMPT, f"model{i}"))
        self.assertEqual(self.page().samples.keys(), before)

    def test_source(self):
        """Of the rank that says what feeds it, and of no other."""
        rank, source = {"worker": "9", "dp_rank": "0"}, "ringdex_rank_source"
        self.say_source()
        page = self.page()
        wanted = {"up": 1, "sequence": 100, "replayed_total": 44, "lag_seconds": 0.005}
        for name, value in wanted.items():
            self.assertEqual(page.values(f"{source}_{name}"), [value], name)
            self.assertEqual(page.values(f"{source}_{name}", **rank), [value], name)
        self.assertEqual(page.values(f"{source}_gaps_total", outcome="lost", **rank), [2])
        self.assertEqual(page.values(f"{source}_gaps_total", outcome="filled", **rank), [3])
        self.assertEqual(len(page.values(f"{source}_gaps_total")), 2)
        self.assertGreaterEqual(page.one(f"{source}_said_age_seconds"), 0)

        def between():
            """Each age has a look at the clock of its own."""
            page = self.page()
            return page.one(f"{source}_heard_age_seconds") - page.one(f"{source}_said_age_seconds")
        until(lambda: abs(between() - 7) < 0.0005, "what was said is never 7 seconds younger than what was heard")
        # away, before its first message
        self.say_source(1 | 1 << 32, 0, 0)
        page = self.page()
        self.assertEqual(page.values(f"{source}_up"), [0])
        self.assertEqual(page.values(f"{source}_sequence"), [])
        self.assertTrue(math.isnan(page.one(f"{source}_lag_seconds")))
        self.say_source()

    def test_process(self):
        page = self.page()
        folder = f"/proc/{self.daemon.process.pid}"
        with open(f"{folder}/limits", encoding="ascii") as file:
            most = next(int(line.split()[3]) for line in file if line.startswith("Max open files"))
        self.assertEqual(page.one("process_max_fds"), most)
        self.assertLessEqual(abs(page.one("process_open_fds") - len(os.listdir(f"{folder}/fd"))), 3)
        with open(f"{folder}/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        self.assertLess(abs(page.one("process_resident_memory_bytes") - resident), 64 << 20)
        self.assertGreater(page.one("process_cpu_seconds_total"), 0)
        self.assertEqual(page.labels("ringdex_build_info").keys(), {"version"})

    def check_expression(self, expression, page):
        """Each metric and label of it is served; a value that is compared with is one that can be."""
        words = set(re.findall(r"\b(?:ringdex|process)_\w+", expression))
        self.assertTrue(words, expression)
        for word in words:
            self.assertTrue(word in page.names(), (word, expression))
            known = page.labels(word)
            for labels in re.findall(word + r"\{([^}]*)\}", expression):
                for label, how, values in re.findall(r'(\w+)(=~|!=|!~|=)"([^"]*)"', labels):
                    if label in ("instance", "job"):  # of Prometheus
                        continue
                    self.assertIn(label, known, expression)
                    for value in values.split("|") if "~" in how else [values]:
                        self.assertIn(value, known[label], expression)
        known = set().union(*(page.labels(word).keys() for word in words)) | {"instance"}
        for by in re.findall(r"\bby \(([^)]*)\)", expression):
            self.assertLessEqual({label.strip() for label in by.split(",")}, known, expression)
        return known

    def test_alerts(self):
        page = self.page()
        with open(RULES, encoding="ascii") as file:
            text = file.read()
        rules = re.split(r"^      - alert: ", text, flags=re.M)[1:]
        self.assertGreater(len(rules), 8)
        for rule in rules:
            expression = re.search(r"^        expr: (.*)$", rule, re.M).group(1)
            known = self.check_expression(expression, page)
            for label in re.findall(r"\$labels\.(\w+)", rule):
                self.assertIn(label, known, rule)
            for option in re.findall(r"--[a-z-]+", rule):
                with open(f"{PACKAGE}/../docs/operations.md", encoding="utf-8") as file:
                    pages = file.read()
                with open(f"{PACKAGE}/../docs/ringdexd.md", encoding="utf-8") as file:
                    pages += file.read()
                self.assertTrue(option in pages, option)

    @WITH_PROMTOOL
    def test_alerts_by_promtool(self):
        run = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    @WITH_PROMTOOL
    def test_what_alerts_by_promtool(self):
        """Series of Prometheus, and what is to be said of them."""
        run = subprocess.run(["promtool", "test", "rules", f"{os.path.dirname(os.path.abspath(__file__))}/alerts.yml"],
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_dashboard(self):
        with open(f"{PACKAGE}/grafana/ringdex.json", encoding="ascii") as file:
            board = json.load(file)
        page, drawn = self.page(), set()
        for panel in board["panels"]:
            for target in panel["targets"]:
                known = self.check_expression(target["expr"].replace("$instance", "x"), page)
                by = re.search(r"\bby \(([^)]*)\)", target["expr"])
                known = {label.strip() for label in by.group(1).split(",")} if by else known
                for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                    self.assertIn(label, known, target)
                drawn |= set(re.findall(r"\bringdex_\w+", target["expr"]))
        at = [panel["gridPos"] for panel in board["panels"]]
        cells = [(pos["x"] + i, pos["y"] + j) for pos in at for i in range(pos["w"]) for j in range(pos["h"])]
        self.assertEqual(len(cells), len(set(cells)), "panels that cover each other")
        self.assertLessEqual(max(x for x, _ in cells), 23)
        self.assertGreater(len(drawn), 15)

    def test_every_family_is_in_the_page(self):
        with open(f"{PACKAGE}/../docs/ringdexd.md", encoding="utf-8") as file:
            text = file.read()
        for family in self.page().types:
            self.assertTrue(f"`{family}`" in text, family)

    @WITH_PROMTOOL
    def test_promtool(self):
        run = subprocess.run(["promtool", "check", "metrics"], input=self.text(), capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout + run.stderr), (0, ""))

    @unittest.skipUnless(LONG, "with RDX_LONG=1")
    def test_prometheus_client(self):
        """The parsers of Prometheus's own Python library, of which that of OpenMetrics is strict."""
        try:
            from prometheus_client.openmetrics import parser as strict
            from prometheus_client import parser
        except ImportError:
            self.skipTest("there is no prometheus_client: apt-get install python3-prometheus-client")
        plain = list(parser.text_string_to_metric_families(self.text()))
        families = list(strict.text_string_to_metric_families(self.text(Accept=OPEN)))
        self.assertEqual(len(plain), len(families))
        models = {sample.labels["model"] for family in families for sample in family.samples
                  if "model" in sample.labels}
        self.assertEqual(models, {"example", "a\"b\\c\nd"})


class Refused(unittest.TestCase):
    """Ranks beyond a limit, and the indexer that refuses them, which another one takes the place of."""

    def page(self, daemon):
        return Page(daemon.ask("GET", "/metrics")[1])

    def test_one_cause_one_alert(self):
        """What is refused is not unreadable; and who no longer maintains anything refuses nobody."""
        first = Daemon("refused", "--worker-ranks=1")
        self.addCleanup(first.close)
        until(first.at_work, "it never works")
        feed = subprocess.Popen([f"{BIN}/ringdex-feed", f"--dir={first.directory}", "--block-tokens=2", "--hold", "-"],
                                stdin=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.addCleanup(feed.wait)
        self.addCleanup(feed.kill)
        with feed.stdin as events:
            for rank in range(3):
                events.write(json.dumps({"worker": 7, "dp_rank": rank, "type": "stored", "names": [1],
                                         "token_ids": [1, 2], "block_size": 2}) + "\n")
        gauges = ["ranks_refused", "segments_unreadable", "ranks", "indexes", "table_bytes"]

        def values():
            page = self.page(first)
            return [page.one(f"ringdex_indexer_{name}") for name in gauges]
        until(lambda: values()[:4] == [2, 0, 1, 1], "they are never refused")
        self.assertGreater(values()[4], 0)
        events = until(lambda: self.page(first).one("ringdex_indexer_events_total"), "no event is applied")
        self.assertEqual(events, 1)
        first.process.send_signal(signal.SIGSTOP)  # so that the other one is first at the lock that is made anew
        os.waitpid(first.process.pid, os.WUNTRACED)
        os.remove(f"{first.directory}/indexer.lock")
        second = Daemon("refused")
        self.addCleanup(second.close)
        until(second.at_work, "it never takes the indexes over")
        first.process.send_signal(signal.SIGCONT)
        until(lambda: self.page(first).one("ringdex_indexer_standing_by") == 1, "it never stands by")
        self.assertEqual(values(), [0, 0, 0, 0, 0])
        self.assertEqual(self.page(first).one("ringdex_indexer_events_total"), events)


class Published(unittest.TestCase):
    """What only a rank's own segment says: what is not applied, and what could not be published."""

    def setUp(self):
        name = self.id().rsplit(".", 1)[1]  # a directory each: what another test left there would be seen
        self.directory = f"{DIR}/{name}"
        follow = subprocess.Popen([f"{BIN}/ringdex-follow", f"--dir={self.directory}"], stdout=subprocess.PIPE,
                                  text=True, preexec_fn=die_with_parent)
        self.addCleanup(follow.stdout.close)
        self.addCleanup(follow.wait)
        self.addCleanup(follow.kill)
        self.assertIn("following", follow.stdout.readline())
        self.follow = follow
        self.daemon = Daemon(name)
        self.addCleanup(self.daemon.close)
        self.feed = self.start_feed()

    def start_feed(self):
        feed = subprocess.Popen([f"{BIN}/ringdex-feed", f"--dir={self.directory}", "--block-tokens=1",
                                 "--model=published", "--hold", "-"], stdin=subprocess.PIPE, text=True,
                                stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        self.addCleanup(feed.wait)
        self.addCleanup(feed.kill)
        self.addCleanup(feed.stdin.close)
        return feed

    def say(self, kind, names, **more):
        event = {"worker": 3, "dp_rank": 2, "type": kind, "names": names, **more}
        if kind == "stored":
            event["token_ids"] = names
        self.feed.stdin.write(json.dumps(event) + "\n")
        self.feed.stdin.flush()

    def stop(self):
        """The indexer, all of its threads: that comes a moment after the signal. But not in the midst of a change: of
        that rank nobody could say anything until it goes on."""
        tasks = f"/proc/{self.follow.pid}/task"

        def is_stopped(task):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
                    open(f"{tasks}/{task}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "T"
            return True  # it has ended

        def is_at_rest():
            self.follow.send_signal(signal.SIGSTOP)
            until(lambda: all(is_stopped(task) for task in os.listdir(tasks)), "it is never stopped")
            if self.values("ringdex_rank_last_event_id"):
                return True
            self.follow.send_signal(signal.SIGCONT)
            return False
        until(is_at_rest, "it is always in the midst of a change")

    def values(self, name, **labels):
        page = Page(self.daemon.ask("GET", "/metrics")[1])
        return page.values(name, worker="3", dp_rank="2", model="published", **labels)

    def wait_for(self, value, name, **labels):
        until(lambda: self.values(name, **labels) == [value], f"{name} {labels} is never {value}")

    def test_lag(self):
        self.say("stored", [1])
        self.wait_for(0, "ringdex_rank_lag_events")
        self.stop()
        for name in range(2, 9):
            self.say("stored", [name], parent=name - 1)
        self.wait_for(7, "ringdex_rank_lag_events")
        self.follow.send_signal(signal.SIGCONT)
        self.wait_for(0, "ringdex_rank_lag_events")
        self.assertEqual(self.values("ringdex_rank_last_event_id"), [8])

    def change(self, at):
        """The indexer, which is stopped, is in the midst of a change: a word of its index is odd."""
        (path,) = glob.glob(f"{self.directory}/index/*.ctl")
        with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as words:
            words[at] |= 1

    def until_it_goes_on(self, ask):
        """Whoever asks meanwhile waits for it, as it may well be about to go on, but not for ever; of those who ask
        ringdexd only the first one in a second."""
        def waited():
            begun = time.monotonic()
            answer = ask()
            return time.monotonic() - begun >= 0.05 and [answer]
        return until(waited, "nobody waits")[0]

    def test_a_change_that_lasts(self):
        self.say("stored", [1])
        self.wait_for(0, "ringdex_rank_lag_events")
        asked = query([1], "published")
        until(lambda: self.daemon.ask("POST", "/query", asked)[1].get("scores"), "it is never shown")
        tool = [f"{BIN}/ringdex-query", f"--dir={self.directory}", "--model=published", "-"]

        def ask_tool():
            return subprocess.run(tool, input='{"token_ids": [1]}\n', capture_output=True, text=True)
        until(lambda: "\n" in ask_tool().stdout, "the tool never answers")
        self.stop()
        self.change(4096 + 16768)  # the sequence of the first rank's entry
        self.until_it_goes_on(lambda: self.values("ringdex_rank_lag_events"))
        self.until_it_goes_on(lambda: subprocess.run([f"{BIN}/ringdex-ls", f"--dir={self.directory}"]))
        self.change(4096 + 256)  # the version of the index

        def counted():
            return Page(self.daemon.ask("GET", "/metrics")[1]).one("ringdex_lookup_duration_seconds_count")
        lookups = counted()
        status, answer = self.until_it_goes_on(lambda: self.daemon.ask("POST", "/query", asked))
        self.assertEqual((status, "cannot be asked now" in answer["error"]), (503, True))
        status, _ = self.until_it_goes_on(lambda: self.daemon.ask(
            "POST", "/v1/query", {"model": "published", "prompts": [{"tokens": [1]}]}))
        self.assertEqual(status, 503)

        def is_soon_told():
            begun = time.monotonic()
            self.daemon.ask("POST", "/query", asked)
            return time.monotonic() - begun < 0.05
        until(is_soon_told, "everybody waits")
        self.assertEqual(counted(), lookups)  # what answers nothing has no duration
        self.assertIn("cannot answer", self.until_it_goes_on(ask_tool).stderr)

    def test_another_life(self):
        """What a rank that has begun anew counts is not compared with what was applied of the one before."""
        self.say("stored", [1])
        self.wait_for(0, "ringdex_rank_lag_events")
        self.stop()
        self.feed.kill()
        self.feed.wait()
        self.feed.stdin.close()
        self.feed = self.start_feed()
        for name in range(1, 5):
            self.say("stored", [name])
        until(lambda: self.values("ringdex_rank_lag_events") == [], "it is compared")
        self.follow.send_signal(signal.SIGCONT)
        self.wait_for(0, "ringdex_rank_lag_events")
        self.wait_for(4, "ringdex_rank_last_event_id")

    def test_dropped(self):
        self.say("stored", [1, 2, 3])
        self.say("stored", [11, 12], parent=10)  # which nobody knows
        self.wait_for(2, "ringdex_rank_blocks_dropped_total", kind="unknown_parents")
        self.assertEqual(sum(self.values("ringdex_rank_blocks_dropped_total")), 2)
        self.wait_for(2, "ringdex_rank_blocks_lacking")
        self.say("removed", [11, 12])
        self.wait_for(0, "ringdex_rank_blocks_lacking")
        self.wait_for(2, "ringdex_rank_blocks_dropped_total", kind="unknown_parents")

    def test_orphans(self):
        self.say("stored", [1, 2, 3])
        self.wait_for(0, "ringdex_rank_orphans", down_to="device")
        self.say("removed", [2])
        for tier in "device", "host", "disk", "external":
            self.wait_for(1, "ringdex_rank_orphans", down_to=tier)
        self.say("removed", [3])
        self.wait_for(0, "ringdex_rank_orphans", down_to="device")

    def test_a_segment_that_cannot_be_read(self):
        """It says nothing then; all else is said as before."""
        self.say("stored", [1])
        self.wait_for(0, "ringdex_rank_lag_events")
        self.stop()
        self.feed.kill()
        self.feed.wait()
        os.unlink(f"{self.directory}/3/2.seg")
        until(lambda: self.values("ringdex_rank_lag_events") == [], "it is still said")
        for name in "blocks_dropped_total", "blocks_lacking", "orphans":
            self.assertEqual(self.values(f"ringdex_rank_{name}"), [])
        self.assertEqual(self.values("ringdex_rank_last_event_id"), [1])


if __name__ == "__main__":
    unittest.main(argv=["test_metrics.py"], verbosity=2)
