# SPDX-License-Identifier: Apache-2.0
"""What tests of whole engines stand on: an engine of one version, bridges, a router, and what lookups must
answer."""

import itertools
import logging
import os
import subprocess

import engines
import ringdex
from rig import BLOCK, PATIENCE_S, Namespace, asked, dies_with_us, wait_for
from simulated import Manner, Simulated


ADDRESSES = itertools.count()


def address():
    """One that nobody has had: a socket leaves its own some time after it is closed."""
    return f"ipc://@ringdex-{os.getpid()}-{next(ADDRESSES)}"


class EngineRig(Namespace):
    """An engine of one version, an index of all ranks, and a bridge where one is asked for."""

    kind, version = "vllm", "0.33.0"

    def setUp(self):
        super().setUp()
        self.build = engines.build(self.kind, self.version)
        self.addCleanup(engines.forget, self.kind)
        self.said = []
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append(record.getMessage())
        log = logging.getLogger("ringdex")
        log.addHandler(handler)
        log.propagate = False
        self.addCleanup(log.removeHandler, handler)
        self.asked = self.router = None

    def simulated(self, seed=1, **manner):
        return Simulated(Manner(self.kind, **manner), self.build.kv, seed)

    def ours(self, rank=0, query=""):
        publisher = self.build.construct(
            f"ringdex:?dir={self.dir}&instance=http://ours&worker=1&host=512{query}", rank)
        self.addCleanup(publisher.shutdown)
        return publisher

    def own(self, rank=0, **options):
        publisher = self.build.own(rank, **options)
        self.addCleanup(publisher.shutdown)
        return publisher

    def program(self, name, *arguments):
        """One of ours, in the namespace."""
        process = subprocess.Popen(
            [os.path.join(os.environ["RDX_BIN"], name), "--dir", self.dir, *arguments],
            stdout=subprocess.DEVNULL, preexec_fn=dies_with_us)
        self.addCleanup(self.end, process)
        return process

    def bridge(self, endpoint, *more, replay_wait="1h"):
        """Of worker 2."""
        return self.program(
            "ringdex-bridge", "--worker=2", "--model=model", f"--block-tokens={BLOCK}",
            "--blocks=4096", "--host-blocks=512", "--instance=http://bridged", "--endpoint",
            endpoint, f"--replay-wait={replay_wait}", "--lost-after=1h", *more)

    @staticmethod
    def end(process):
        process.kill()
        process.wait(PATIENCE_S)

    def rows(self, simulated, prompt):
        """{(worker, rank): (blocks, state)} of a request."""
        if not self.asked:
            self.router = self.indexer()
            self.asked = self.index(self.router)
        while self.router and self.router.poll():
            pass
        path = simulated.path(prompt)
        keys = [[(image, 0) for image in block.images] or None for block in path]
        runs = asked(lambda: self.asked.lookup(
            prompt.tokens, lora_name=prompt.lora, cache_salt=prompt.salt, eagle=simulated.manner.eagle,
            extra_keys=keys if simulated.manner.kind == "vllm" else None))
        return {(run.worker_id, run.dp_rank): (run.blocks, run.state) for run in runs}

    def heard(self, publish, simulated, rank):
        """All that was published is in the index."""
        batch, prompt = simulated.mark()
        publish(batch)
        self.until_seen(simulated, prompt, rank)

    def until_seen(self, simulated, prompt, rank):
        wait_for(lambda: self.rows(simulated, prompt).get(rank, ((0,), ""))[0][0] >= 1)

    def expect(self, simulated, ranks, state="EXACT"):
        """Each of the ranks answers each request as the cache does."""
        for prompt in simulated.prompts:
            want, rows = simulated.answer(prompt), self.rows(simulated, prompt)
            for rank in ranks:
                blocks, said = rows.get(rank, ((0, 0, 0, 0), state))
                self.assertEqual((blocks, said), (want, state), (rank, prompt, self.said))
