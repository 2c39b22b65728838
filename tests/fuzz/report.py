#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps the record of fuzzing. See tests/fuzz/run.sh and docs/fuzzing.md.

    report.py --slice OUT TARGET LOG SECONDS CHANGING BUILD CPU   add what a log of libFuzzer says to
                            OUT/record.json; BUILD: fuzz or volume
    report.py --coverage OUT JSON   add what llvm-cov says of lines to OUT/record.json
    report.py --add OUT     add OUT/record.json to tests/fuzz/record.json, and write the table
    report.py --check       fail unless docs/fuzzing.md has the table of tests/fuzz/record.json
"""
import fcntl
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "record.json")
PAGE = os.path.join(HERE, "..", "..", "docs", "fuzzing.md")
BEGIN, END = "<!-- table: tests/fuzz/report.py -->\n", "<!-- end -->\n"
SUMS = ("runs", "changing_runs", "volume_runs", "seconds", "cpu_runs", "cpu_ms")
NEWEST = ("edges", "features", "corpus")


# Whose lines are counted; of a program's folder, only what a target compiles in.
COVERED = ("shm", "producer", "consumer/index", "consumer/indexer", "consumer/reader",
           "consumer/writer", "tools")


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {}


def save(path, record):
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(record, file, indent=1, sort_keys=True)
        file.write("\n")
    os.replace(path + ".new", path)


def merge(record, target, row):
    """Counts add up; of what only grows the greatest is kept; the newest lines."""
    if target == "lines of code":
        record[target] = row
        return
    old = record.setdefault(target, {})
    for name in SUMS:
        old[name] = old.get(name, 0) + row.get(name, 0)
    for name in NEWEST:
        old[name] = max(old.get(name, 0), row.get(name, 0))


def add_slice(out, target, log, seconds, changing, build, cpu_ms):
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    runs = int((re.findall(r"^stat::number_of_executed_units: (\d+)", text, re.M) or [0])[-1])
    seen = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
    row = {"runs": runs, "changing_runs": runs if changing == "1" else 0,
           "volume_runs": runs if build == "volume" else 0, "seconds": int(seconds),
           "cpu_runs": runs, "cpu_ms": int(cpu_ms)}
    if seen and build == "fuzz":  # the other has other edges
        row.update(zip(NEWEST, map(int, seen[-1])))
    with open(os.path.join(out, "lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = os.path.join(out, "record.json")
        record = load(path)
        merge(record, target, row)
        save(path, record)


def add_coverage(out, path):
    with open(path, encoding="utf-8") as file:
        files = json.load(file)["data"][0]["files"]
    rows = {folder: [0, 0] for folder in COVERED}
    for file in files:
        name = os.path.relpath(os.path.normpath(file["filename"]), os.path.join(HERE, "..", ".."))
        for folder in COVERED:
            if name.startswith(folder + "/"):
                rows[folder][0] += file["summary"]["lines"]["covered"]
                rows[folder][1] += file["summary"]["lines"]["count"]
    record = load(os.path.join(out, "record.json"))
    record["lines of code"] = rows
    save(os.path.join(out, "record.json"), record)


def table(record):
    lines_of_code = record.get("lines of code")
    lines = ["| target | runs | of them while bytes change | without AddressSanitizer | hours |"
             " seconds of CPU | runs in each | edges | features | inputs kept |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for target, row in sorted(record.items()):
        if target == "lines of code":
            continue
        cpu = row.get("cpu_ms", 0) / 1000
        lines.append(f"| {target} | {row['runs']:,} | {row['changing_runs']:,} |"
                     f" {row.get('volume_runs', 0):,} | {row['seconds'] / 3600:.1f} |"
                     + (f" {cpu:,.0f} | {row['cpu_runs'] / cpu:,.0f} |" if cpu else "  |  |") +
                     f" {row['edges']:,} | {row['features']:,} | {row['corpus']:,} |")
    if lines_of_code:
        lines += ["", "| folder | lines that some kept input reaches | of |", "| --- | ---: | ---: |"]
        for folder, (covered, count) in sorted(lines_of_code.items()):
            lines.append(f"| {folder} | {covered:,} ({100 * covered / max(count, 1):.0f} %) | {count:,} |")
    return "\n".join(lines) + "\n"


def written(page, record):
    head, rest = page.split(BEGIN)
    return head + BEGIN + table(record) + END + rest.split(END)[1]


def main():
    record = load(RECORD)
    if sys.argv[1:2] == ["--slice"]:
        add_slice(*sys.argv[2:9])
        return 0
    if sys.argv[1:2] == ["--coverage"]:
        add_coverage(*sys.argv[2:4])
        return 0
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    if sys.argv[1:2] == ["--check"]:
        return written(page, record) != page
    path = os.path.join(sys.argv[2], "record.json")
    for target, row in load(path).items():
        merge(record, target, row)
    save(RECORD, record)
    if os.path.exists(path):
        os.replace(path, path + ".added")
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(written(page, record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
