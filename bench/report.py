#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a report of a run of the benchmarks: tables, plots, ratios to another run.

    bench/report.py RUN [--folder DIR] [--against RUN] [--results DIR]

RUN is what bench/run.sh wrote: build/bench/run.json, or bench/baseline.json. Printed: each figure
beside its floor and the peers. --folder: the same as DIR/report.md, with plots where there is
gnuplot. --results: docs/results.md and its plots, with bench/goals.txt and bench/missed.md.
--check: fail unless that file is what would be written. Needs Python 3 alone.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# What is drawn: name, title, which figures; what stands for * is a group of bars.
PLOTS = (
    ("apply", "Apply events, CPU of one block operation", "apply.*"),
    ("lookup-p50", "Look up 268 blocks, median", "lookup.*.268.p50"),
    ("lookup-blocks", "Look up A, median, by blocks of the prompt", "lookup.A.*.p50"),
    ("lookup-p99", "Look up 268 blocks, 99 of 100 are faster", "lookup.*.268.p99"),
    ("ingest-p99", "Look up while events are applied, 99 of 100 are faster", "ingest.*.p99"),
    ("memory", "Memory of one distinct block", "memory.*"),
    ("publish", "Publish one stored block, by blocks held", "publish.stored.*"),
    ("stream", "Read a ring, by readers", "stream.*"),
)

COLOURS = {"ringdex": "#1f5fa8", "floor": "#a8a8a8", "crtc": "#d9822b", "chainindex": "#3a9a5b",
           "radixtree": "#8a5ab5"}
OTHER_COLOURS = ("#c04f5f", "#4fa8b8", "#8c7a3c", "#d28fb8", "#5f6f7f")


class Figure:
    """One thing measured, and whose figure it is: rows whose ids differ in the last part only."""

    def __init__(self, name, program):
        self.name, self.program, self.rows = name, program, {}

    def lead(self):
        """The row that the figure is about."""
        return self.rows.get("ringdex") or next(iter(self.rows.values()))


class Run:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.json = json.load(file)
        self.programs = self.json.get("programs") or [self.json]
        self.machine = next((p["machine"] for p in self.programs if p.get("machine")), {})
        self.figures, self.rows = {}, {}
        for program in self.programs:
            for row in program["rows"]:
                name, whose = row["id"].rsplit(".", 1)
                figure = self.figures.setdefault(name, Figure(name, program["program"]))
                figure.rows[whose] = self.rows[row["id"]] = row

    def questions(self):
        """One object a question: a peer's names the program whose question it answers too."""
        return list({p["program"]: p for p in reversed(self.programs)}.values())[::-1]

    def ratio(self, row_id, to):
        """Slice by slice where both were taken in turn, else of the medians. None: not there."""
        row, other = self.rows.get(row_id), self.rows.get(to)
        if not row or not other:
            return None
        if row.get("floor") == to:
            return row["ratio"]["median"]
        return row["median"] / other["median"] if other["median"] else None


def number(value):
    if value is None:
        return ""
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(row):
    if row["count"] < 2:
        return ""
    return f"{number(row['low'])} .. {number(row['high'])}"


def whose(figures):
    """Columns: ours first, then the floor, then peers, those not known as they come."""
    names = dict.fromkeys(COLOURS)
    for figure in figures:
        names.update(dict.fromkeys(figure.rows))
    return [name for name in names if any(name in f.rows for f in figures)]


def of_floor(row):
    if "ratio" not in row:
        return ""
    ratio = row["ratio"]
    return f"{number(ratio['median'])}x" + (
        f" [{number(ratio['low'])} .. {number(ratio['high'])}]" if row["count"] > 1 else "")


def figure_table(figures):
    """Head and lines of the figures of one program."""
    columns = whose(figures)
    head = ["figure", "unit"] + columns[:1] + ["5 % .. 95 %", "of its floor"] + columns[1:]
    lines = []
    for figure in figures:
        lead = figure.rows.get(columns[0], {})
        cells = [number(figure.rows.get(name, {}).get("median")) for name in columns]
        lines.append([figure.name, figure.lead()["unit"]] + cells[:1] +
                     [spread(lead) if lead else "", of_floor(lead) if lead else ""] + cells[1:])
    return head, lines


def markdown(head, lines):
    rows = [head, ["---"] * len(head)] + lines
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def plain(head, lines):
    rows = [[cell.upper() for cell in head]] + lines
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    text = (" ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                     for i, (cell, width) in enumerate(zip(row, widths))) for row in rows)
    return "\n".join(line.rstrip() for line in text)


def program_figures(run, program):
    return [f for f in run.figures.values() if f.program == program["program"]]


def print_run(run):
    for program in run.questions():
        print(f"\n{program['program']}: {program['question']}")
        print(plain(*figure_table(program_figures(run, program))))


def print_against(run, other):
    lines = []
    for row_id, row in run.rows.items():
        before = other.rows.get(row_id)
        if not before or not before["median"]:
            continue
        paired = "ratio" in row and "ratio" in before
        lines.append([row_id, row["unit"], number(row["median"]), number(before["median"]),
                      f"{row['median'] / before['median']:.2f}x",
                      f"{row['ratio']['median'] / before['ratio']['median']:.2f}x" if paired
                      else ""])
    missing = [row_id for row_id in other.rows if row_id not in run.rows]
    print(f"\nBeside the run of {other.json.get('date', '?')}, revision "
          f"{other.json.get('revision', '?')}, on {other.machine.get('processor', '?')}. Over floor: "
          "each divided by its floor first, which holds on another machine too")
    print(plain(["figure", "unit", "now", "then", "now / then", "over floor"], lines))
    if missing:
        print(f"only there: {len(missing)} rows, such as {missing[0]}")


def goals():
    """Lines of goals.txt: figure, at most, of which other row or None, what."""
    found = []
    with open(os.path.join(HERE, "goals.txt"), encoding="utf-8") as file:
        for line in file:
            line = line.split("#")[0].split(None, 3)
            if line:
                row_id, most, to, what = (part.strip() for part in line)
                found.append((row_id, float(most), None if to == "-" else to, what))
    return found


def other_name(row_id, to):
    """What a row is compared with, in short: whose it is, or which figure."""
    figure, name = to.rsplit(".", 1)
    return name if figure == row_id.rsplit(".", 1)[0] else to.removesuffix(".ringdex")


def goal_lines(run):
    lines = []
    for row_id, most, to, what in goals():
        row = run.rows.get(row_id)
        unit = "x" if to else row["unit"] if row else ""
        got = run.ratio(row_id, to) if to else row and row["median"]
        if got is None:
            verdict, shown = "not measured", ""
        else:
            verdict = "yes" if got <= most else "**no**"
            shown = f"{number(got)}{'' if to else ' '}{unit}"
        goal = f"{number(most)}x {other_name(row_id, to)}" if to else f"{number(most)} {unit}"
        lines.append([what, f"`{row_id.removesuffix('.ringdex')}`", goal.strip(), shown, verdict])
    return lines


def print_goals(run):
    lines = [[what, goal, shown, verdict.strip("*")]
             for what, _, goal, shown, verdict in goal_lines(run) if shown]
    if lines:
        print("\nGoals (bench/goals.txt)")
        print(plain(["goal", "at most", "measured", "reached"], lines))


def goal_section(run):
    lines = goal_lines(run)
    got = sum(line[-1] == "yes" for line in lines)
    missed = sum(line[-1] == "**no**" for line in lines)
    return (f"{len(lines)} goals: {got} reached, {missed} missed, "
            f"{len(lines) - got - missed} not measured in this run.\n\n" +
            markdown(["what", "figure", "at most", "measured", "reached"], lines))


def machine_section(run):
    m = run.machine
    facts = [f"{m.get('processors_used', '?')} of {m.get('processors', '?')} processors of "
             f"{m.get('processor', 'an unknown kind')}",
             f"L2 {m.get('l2', '?')}, L3 {m.get('l3', '?')}, {m.get('memory_mib', '?')} MiB",
             f"Linux {m.get('kernel', '?')}", f"{m.get('compiler', '?')}, {m.get('build', '?')}",
             f"huge pages: {m.get('huge_pages', '?')}, shared: {m.get('huge_pages_shared', '?')}",
             f"governor: {m.get('governor', 'none visible')}", f"load before: {m.get('load', '?')}"]
    return (f"Machine: {'; '.join(facts)}. Revision {run.json.get('revision') or '?'}, "
            f"{run.json.get('date', '?')}, length {run.json.get('length', '?')}, "
            f"{run.json.get('seconds', '?')} s in all.")


def program_section(run, program):
    figures = program_figures(run, program)
    parts = [f"## {program['program']}", program["question"], markdown(*figure_table(figures))]
    what = dict.fromkeys(f"`{f.name}`: {row['what']}" for f in figures
                         for name, row in f.rows.items() if name in ("ringdex", "floor"))
    notes = [note for p in run.programs if p["program"] == program["program"]
             for note in p.get("notes", [])]
    broken = [f"**does not hold: {check['what']}**" for check in program.get("checks", [])
              if not check["held"]]
    parts.append("\n".join(f"- {line}" for line in list(what) + notes + broken))
    return "\n\n".join(parts)


def pick(run, pattern):
    """Figures that a plot's pattern names, with what stands for *."""
    before, after = pattern.split("*")
    found = []
    for name, figure in run.figures.items():
        group = name[len(before):len(name) - len(after)] if after else name[len(before):]
        if name.startswith(before) and name.endswith(after) and group and "." not in group:
            found.append((group, figure))
    return found


def draw(run, folder, name, title, pattern):
    """One plot as SVG. False: nothing to draw."""
    picked = pick(run, pattern)
    if not picked:
        return False
    columns = whose([figure for _, figure in picked])
    lines = []
    for group, figure in picked:
        rows = [figure.rows.get(column) for column in columns]
        lines.append(" ".join([group] + [f"{r['median']} {r['low']} {r['high']}" if r
                                         else "NaN NaN NaN" for r in rows]))
    plots = ", ".join(
        f"$data using {2 + 3 * i}:{3 + 3 * i}:{4 + 3 * i}:xtic(1) title '{column}' linecolor rgb "
        f"'{COLOURS.get(column, OTHER_COLOURS[i % len(OTHER_COLOURS)])}'"
        for i, column in enumerate(columns))
    script = "\n".join([
        "set terminal svg size 760,360 font 'sans,12' background 'white'",
        f"set output '{os.path.join(folder, name)}.svg'", f"set title '{title}'",
        f"set ylabel '{picked[0][1].lead()['unit']}'", "set logscale y", "set grid y",
        "set style data histogram", "set style histogram errorbars gap 1 linewidth 1",
        "set style fill solid 0.7", "set key outside right", "$data << END", *lines, "END",
        f"plot {plots}"])
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    if done.returncode:
        print(f"gnuplot: {done.stderr.strip()}", file=sys.stderr)
    return done.returncode == 0


def draw_all(run, folder):
    """Names and titles of what is drawn there."""
    if not shutil.which("gnuplot"):
        print("gnuplot is missing (Debian: gnuplot-nox): no new plots", file=sys.stderr)
        return [plot[:2] for plot in PLOTS if os.path.exists(f"{folder}/{plot[0]}.svg")]
    os.makedirs(folder, exist_ok=True)
    return [plot[:2] for plot in PLOTS if draw(run, folder, *plot)]


def report_text(run, plots, folder, head, tail):
    parts = head + [machine_section(run), "## Goals", goal_section(run)]
    if plots:
        parts += ["## Plots"] + [f"![{title}]({folder}{name}.svg)" for name, title in plots]
    parts += [program_section(run, program) for program in run.questions()] + tail
    return "\n\n".join(parts) + "\n"


def results_text(run, plots):
    with open(os.path.join(HERE, "missed.md"), encoding="utf-8") as file:
        missed = file.read().strip()
    head = ["# Results",
            "Made by `bench/report.py` from `bench/baseline.json`, `bench/goals.txt` and "
            "`bench/missed.md`: change those, not this. Medians; in brackets the 5th and 95th "
            "percentile of slices; floor and subject take turns, so their ratio holds where "
            "absolute figures drift. [How it is measured](benchmarks.md)."]
    return report_text(run, plots, "results/", head, [missed])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("run")
    parser.add_argument("--folder", help="report.md and plots go there")
    parser.add_argument("--against", help="another run")
    parser.add_argument("--results", metavar="DIR", help="results.md and its plots go there")
    parser.add_argument("--check", metavar="DIR", help="results.md there is what would be written")
    arguments = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    run = Run(arguments.run)
    if arguments.check:
        path = os.path.join(arguments.check, "results.md")
        with open(path, encoding="utf-8") as file:
            there = file.read()
        plots = [plot[:2] for plot in PLOTS if f"results/{plot[0]}.svg" in there]
        sys.exit(0 if there == results_text(run, plots) else
                 f"{path} is not what bench/report.py makes: bench/report.py "
                 f"{arguments.run} --results {arguments.check}")
    print_run(run)
    print_goals(run)
    if arguments.against:
        print_against(run, Run(arguments.against))
    if arguments.folder:
        os.makedirs(arguments.folder, exist_ok=True)
        plots = draw_all(run, arguments.folder)
        path = os.path.join(arguments.folder, "report.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write(report_text(run, plots, "", ["# Report"], []))
        print(f"\n{path}")
    if arguments.results:
        plots = draw_all(run, os.path.join(arguments.results, "results"))
        with open(os.path.join(arguments.results, "results.md"), "w", encoding="utf-8") as file:
            file.write(results_text(run, plots))


if __name__ == "__main__":
    main()
