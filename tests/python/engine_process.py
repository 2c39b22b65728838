# SPDX-License-Identifier: Apache-2.0
"""One rank of a simulated engine as a process of its own, with our plugin in it: engine_process.py JSON. It
does what the lines of its input say, and answers each with a line: step N, mark, clear."""

import json
import os
import sys

import engines
from simulated import Manner, Simulated


def run(build, how):
    publisher = build.construct(how["endpoint"], how["rank"])
    simulated = Simulated(Manner(build.kind, **how["manner"]), build.kv, how["seed"])
    for line in sys.stdin:
        word, _, count = line.partition(" ")
        if word == "step":
            for _ in range(int(count)):
                publisher.publish(simulated.step())
        elif word.strip() == "mark":
            publisher.publish(simulated.mark()[0])
        else:
            publisher.publish(simulated.clear())
        print("done", flush=True)
    publisher.shutdown()


def main():
    how = json.loads(sys.argv[1])
    build = engines.build(how["kind"], how["version"])
    build.plug()
    if how["start"] == "fork":  # as vLLM's API server starts its EngineCore
        child = os.fork()
        if child:
            sys.exit(os.waitpid(child, 0)[1])
        build.plug()
    run(build, how)


if __name__ == "__main__":
    main()
