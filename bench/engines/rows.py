# SPDX-License-Identifier: Apache-2.0
"""What bench/options.h and bench/report.h are to the programs in C: the same options, the same table,
the same JSON (docs/benchmarks.md has its form)."""

import argparse
import json
import math
import os
import platform
import sys

def options(question, own=()):
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help="figures as JSON")
    parser.add_argument("--rounds", type=int, metavar="N", help="slices of each kind")
    parser.add_argument(
        "--quick", action="store_const", dest="length", const="quick", default="full"
    )
    parser.add_argument("--smoke", action="store_const", dest="length", const="smoke")
    parser.add_argument("--scratch", default="/dev/shm", metavar="DIR", help="work below it")
    parser.add_argument("--corpora", help=argparse.SUPPRESS)
    for name, help_text in own:
        parser.add_argument(name, help=help_text)
    return parser.parse_args()


def percentile(values, p):
    """By nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(p / 100 * len(ordered)) - 1)]


def _line(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return None


def machine_facts():
    """Nothing in it names the host."""
    facts = {
        "processors": os.cpu_count(),
        "processors_used": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "load": round(os.getloadavg()[0], 1),
        "kernel": platform.release(),
        "compiler": f"Python {platform.python_version()}",
        "build": os.environ.get("RDX_BENCH_BUILD", ""),
        "revision": os.environ.get("RDX_BENCH_REVISION", ""),
        "l2": _line("/sys/devices/system/cpu/cpu0/cache/index2/size"),
        "l3": _line("/sys/devices/system/cpu/cpu0/cache/index3/size"),
        "governor": _line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    }
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    facts["processor"] = names[0] if names else None
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _spread(values):
    return {name: percentile(values, p) for name, p in (("median", 50), ("low", 5), ("high", 95))}


class Report:
    def __init__(self, name, question, length):
        self._values, self.failed = {}, False
        self._root = {
            "program": name,
            "question": question,
            "length": length,
            "machine": machine_facts(),
            "rows": [],
            "notes": [],
            "checks": [],
        }

    def row(self, row_id, what, unit, values, floor=None):
        """`floor`: an earlier row whose values were taken in turn with these."""
        row = {"id": row_id, "what": what, "unit": unit, **_spread(values), "count": len(values)}
        if floor:
            pairs = zip(values, self._values[floor], strict=True)
            row["floor"] = floor
            row["ratio"] = _spread([value / other if other else 0.0 for value, other in pairs])
        self._values[row_id] = values
        self._root["rows"].append(row)

    def note(self, text):
        self._root["notes"].append(text)

    def check(self, held, what):
        self._root["checks"].append({"what": what, "held": bool(held)})
        if not held:
            print(f"bench-{self._root['program']}: does not hold: {what}", file=sys.stderr)
            self.failed = True

    def _table(self):
        print(f"{self._root['program']}: {self._root['question']}")
        for row in self._root["rows"]:
            line = f"  {row['what']:66.66} {row['median']:9.4g} {row['unit']:3}"
            line += f" {row['low']:9.4g} .. {row['high']:<9.4g}"
            if "ratio" in row:
                line += f" {row['ratio']['median']:.3g}x"
            print(line.rstrip())
        for note in self._root["notes"]:
            print(f"  {note}")

    def end(self, file):
        """The exit status."""
        text = json.dumps(self._root, indent=2)
        if file == "-":
            print(text)
        else:
            self._table()
        if file and file != "-":
            with open(file, "w", encoding="utf-8") as out:
                out.write(text + "\n")
        return 1 if self.failed else 0
