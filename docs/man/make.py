#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Manual pages and completions of the programs, from their own tables of options.

make.py SCDOC BIN_DIR OUT_DIR PROGRAM...: asks each program (--help-json), and ringdex for its list
of commands (--help), and writes OUT_DIR/man1/*.1, OUT_DIR/ringdex.bash, _ringdex, ringdex.fish.
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# argp gives these to every program
EVERY = [{"name": "help", "letter": "?", "value": None, "help": "Give a help list"},
         {"name": "usage", "letter": None, "value": None, "help": "Give a short usage message"},
         {"name": "version", "letter": "V", "value": None, "help": "Print program version"}]


def ask(binaries, program, option):
    return subprocess.run([f"{binaries}/{program}", option], stdout=subprocess.PIPE, check=True,
                          text=True).stdout


def options_of(table):
    """Those with names, by each of their names."""
    named = [option for option in table["options"] + EVERY if option.get("name")]
    return [one for option in named for one in [option] + (
        [{**option, "name": option["also"], "letter": None}] if option.get("also") else [])]


# -- manual pages --

def escaped(text):
    """For scdoc: as it is, whatever it has in it."""
    text = re.sub(r"([\\*_#|~<>\[\]`])", r"\\\1", " ".join(text.split()))
    return re.sub(r"^([^\\\w])", r"\\\1", text)


def shown(option):
    value = f"=_{escaped(option['value'])}_" if option.get("value") else ""
    if option.get("is_optional"):
        value = f"\\[{value}\\]"
    name = ", ".join(f"*--{name}*{value}" for name in (option["name"], option.get("also")) if name)
    return f"*-{option['letter']}*, {name}" if option.get("letter") else name


def option_lines(table):
    for option in table["options"] + EVERY:
        if option.get("heading"):
            yield f"*{escaped(option['heading'].rstrip(':'))}*\n"
            continue
        default = f" [default: {option['default']}]" if option.get("default") else ""
        yield f"{shown(option)}\n\t{escaped(option['help'] + default)}\n"


def page(table, summary):
    program = table["program"]
    command = program.replace("ringdex-", "ringdex ", 1)
    notes = [part for part in (table["notes"] or "").split("\n\n") if part.strip()]
    status = [part for part in notes if part.startswith("Exit status: ")]
    parts = [f"{program}(1)\n", f"# NAME\n\n{program} - {escaped(summary)}\n",
             f"# SYNOPSIS\n\n*{command}* \\[OPTION...\\] {escaped(table['arguments'] or '')}\n",
             f"# DESCRIPTION\n\n{escaped(table['about'])}\n",
             *[escaped(part) + "\n" for part in notes if part not in status],
             "# OPTIONS\n", *option_lines(table)]
    if status:
        parts.append(f"# EXIT STATUS\n\n{escaped(status[0][len('Exit status: '):])}\n")
    parts.append("# SEE ALSO\n\n*ringdex*(1)\n")
    return "\n".join(parts)


def overview(commands, programs):
    """The page of ringdex itself, written by hand but for the list."""
    with open(f"{HERE}/ringdex.1.scd", encoding="utf-8") as file:
        text = file.read()
    rows = "\n".join(f"*{name}*\n\t{escaped(summary)}\n" for name, summary in commands)
    pages = ", ".join(f"*{program}*(1)" for program in sorted(programs))
    return text.replace("@COMMANDS@", rows).replace("@PAGES@", pages)


# -- completions --

def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def words(option):
    """What a value may be: a list, "files", "directories" or None."""
    if option.get("choices"):
        return option["choices"]
    return {"DIR": "directories", "FILE": "files"}.get(option.get("value"))


def bash(commands, tables):
    options, values = [], []
    for table in tables:
        program = table["program"]
        names = " ".join("--" + option["name"] + ("=" if option.get("value") and
                                                  not option.get("is_optional") else "")
                         for option in options_of(table))
        options.append(f"\t{program}) words='{names}' ;;\n")
        for option in options_of(table):
            for name in [f"--{option['name']}"] + ([f"-{option['letter']}"]
                                                   if option.get("letter") else []):
                kind = words(option)
                if kind == "directories":
                    values.append(f"\t'{program} {name}') actions=(-d) ;;\n")
                elif kind == "files":
                    values.append(f"\t'{program} {name}') actions=(-f) ;;\n")
                elif kind:
                    values.append(f"\t'{program} {name}') actions=(-W '{' '.join(kind)}') ;;\n")
    with open(f"{HERE}/completion.bash", encoding="utf-8") as file:
        text = file.read()
    return (text.replace("@COMMANDS@", " ".join(name for name, _ in commands))
            .replace("@OPTIONS@", "".join(options).rstrip("\n"))
            .replace("@VALUES@", "".join(values).rstrip("\n"))
            .replace("@PROGRAMS@", " ".join(table["program"] for table in tables)))


def zsh_option(option):
    help_text = re.sub(r"([\[\]:\\])", r"\\\1", " ".join(option["help"].split()))
    kind = words(option)
    action = {"directories": "_files -/", "files": "_files"}.get(
        kind if isinstance(kind, str) else None, f"({' '.join(kind)})" if kind else " ")
    names = [f"--{option['name']}"]
    value = ""
    if option.get("value"):
        names[0] += "=-" if option.get("is_optional") else "="
        value = (":" if option.get("is_optional") else "") + ":" + \
            option["value"].replace(":", "\\:") + ":" + action
    lines = [quoted(f"{names[0]}[{help_text}]{value}")]
    if option.get("letter") and option["letter"] != "?":
        lines.append(quoted(f"-{option['letter']}[{help_text}]{value}"))
    return lines


def zsh(commands, tables):
    cases = []
    for table in tables:
        lines = " \\\n\t\t\t".join(line for option in options_of(table)
                                    for line in zsh_option(option))
        cases.append(f"\t({table['program']})\n\t\t_arguments -s \\\n\t\t\t{lines} \\\n"
                     "\t\t\t'*:file:_files'\n\t\t;;\n")
    rows = "\n".join(f"\t\t{quoted(name + ':' + summary.replace(':', ' -'))}"
                     for name, summary in commands)
    with open(f"{HERE}/completion.zsh", encoding="utf-8") as file:
        text = file.read()
    return (text.replace("@COMMANDS@", rows).replace("@CASES@", "".join(cases).rstrip("\n"))
            .replace("@PROGRAMS@", " ".join(table["program"] for table in tables)))


def fish(commands, tables):
    lines = ["# Completions of ringdex and its programs for fish. Made by docs/man/make.py."]
    lines += [f"complete -c ringdex -n __fish_use_subcommand -f -a {name} -d {fish_text(summary)}"
              for name, summary in commands]
    for table in tables:
        program = table["program"]
        places = [f"-c {program}"]
        if program.startswith("ringdex-"):
            places.append(f"-c ringdex -n '__fish_seen_subcommand_from {program[8:]}'")
        for option in options_of(table):
            kind = words(option)
            more = f" -l {option['name']} -d {fish_text(option['help'])}"
            if option.get("letter") and option["letter"] != "?":
                more += f" -s {option['letter']}"
            if option.get("value") and not option.get("is_optional"):
                more += " -r"
            if isinstance(kind, list):
                more += f" -f -a {fish_text(' '.join(kind))}"
            elif kind == "directories":
                more += " -f -a '(__fish_complete_directories)'"
            lines += [f"complete {place}{more}" for place in places]
    return "\n".join(lines) + "\n"


def fish_text(text):
    return "'" + " ".join(text.split()).replace("\\", "\\\\").replace("'", "\\'") + "'"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(scdoc, binaries, out, programs):
    os.makedirs(f"{out}/man1", exist_ok=True)
    commands = [command for command in
                re.findall(r"^   (\w+) +(\S.*)$", ask(binaries, "ringdex", "--help"), re.M)
                if f"ringdex-{command[0]}" in programs]
    summaries = {f"ringdex-{name}": summary for name, summary in commands}
    tables = [json.loads(ask(binaries, program, "--help-json")) for program in programs]
    pages = {"ringdex": overview(commands, programs)}
    for table in tables:
        first = table["about"].split(". ")[0].split(": ")[0].rstrip(".")
        pages[table["program"]] = page(table, summaries.get(table["program"], first))
    for name, text in pages.items():
        done = subprocess.run([scdoc], input=text, stdout=subprocess.PIPE, text=True, check=True)
        write(f"{out}/man1/{name}.1", done.stdout)
    write(f"{out}/ringdex.bash", bash(commands, tables))
    write(f"{out}/_ringdex", zsh(commands, tables))
    write(f"{out}/ringdex.fish", fish(commands, tables))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
