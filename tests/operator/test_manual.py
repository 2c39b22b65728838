#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every option of every program has its place in manual page and completions, and shells complete
it: test_manual.py BIN_DIR MANUALS_DIR PROGRAM... DIR"""
import re
import shutil
import subprocess
import sys
import unittest

BIN, MANUALS = sys.argv[1:3]
PROGRAMS = sys.argv[3:-1]


def run(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)


def options(program):
    """As argp has them, of which the pages are not made."""
    return re.findall(r"\[--([a-z0-9-]+)", run(f"{BIN}/{program}", "--usage").stdout)


def bash(*words):
    """What bash offers for the last word."""
    line = " ".join(f"'{word}'" for word in words)
    done = run("bash", "--norc", "-c", f"source '{MANUALS}/ringdex.bash' && COMP_WORDS=({line}) && "
               f"COMP_CWORD={len(words) - 1} && _ringdex && printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.split()


class Manual(unittest.TestCase):
    def test_every_option_has_its_place(self):
        for program in PROGRAMS:
            with open(f"{MANUALS}/man1/{program}.1", encoding="utf-8") as file:
                page = re.sub(r"\\f.|\\&|\\", "", file.read())
            with open(f"{MANUALS}/_ringdex", encoding="utf-8") as file:
                zsh = file.read()
            zsh = zsh[zsh.index(f"\t({program})\n"):]
            zsh = zsh[:zsh.index(";;")]
            with open(f"{MANUALS}/ringdex.fish", encoding="utf-8") as file:
                fish = [line for line in file if f" -c {program} " in line or
                        line.endswith(f"from {program[8:]}'")]
            offered = [word.rstrip("=") for word in bash(program, "--")]
            names = options(program)
            self.assertIn("help", names)
            self.assertEqual(sorted(offered), sorted(f"--{name}" for name in names), program)
            for name in names:
                self.assertRegex(page, rf"(?m)^(-., |--\S+, )?--{name}\b", f"{program}.1")
                self.assertRegex(zsh, rf"'--{name}[=\[]", program)
                self.assertTrue(any(re.search(rf" -l {name}\b", line) for line in fish),
                                f"{program} --{name} in ringdex.fish")

    def test_pages_are_pages(self):
        checker = shutil.which("man")
        for program in ["ringdex", *PROGRAMS]:
            page = f"{MANUALS}/man1/{program}.1"
            with open(page, encoding="utf-8") as file:
                text = file.read()
            for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "SEE ALSO"):
                self.assertIn(section, text, page)
            if checker:
                done = run("man", "--warnings", "-l", page)
                self.assertEqual((done.returncode, done.stderr), (0, ""), page)
                self.assertIn(f"{program} - ", done.stdout)
        with open(f"{MANUALS}/man1/ringdex.1", encoding="utf-8") as file:
            overview = file.read()
        self.assertNotIn("@", overview.replace('"@', ""))
        for program in PROGRAMS:
            self.assertIn(program.replace("-", "\\-") if "\\-" in overview else program, overview)

    def test_bash_completes(self):
        self.assertEqual(bash("ringdex", "que"), ["query"])
        self.assertLessEqual({"ls", "follow", "doctor", "help"}, set(bash("ringdex", "")))
        self.assertEqual(bash("ringdex", "follow", "--wai"), ["--wait="])
        self.assertEqual(bash("ringdex-follow", "--wai"), ["--wait="])
        self.assertEqual(bash("ringdex", "follow", "--loo"), ["--loop="])
        for name in "--wait", "--loop":  # one option
            self.assertEqual(bash("ringdex", "follow", name, "=", "e"), ["epoll"])
        self.assertEqual(bash("ringdex", "follow", "--wait", "="), ["auto", "io_uring", "epoll"])
        self.assertEqual(bash("ringdex", "ls", "--dir", "=", "/pro"), ["/proc"])
        self.assertEqual(bash("ringdex", "ls", "-d", "/pro"), ["/proc"])
        self.assertIn("--watch", bash("ringdex", "ls", "--w"))
        self.assertIn("/etc/passwd", bash("ringdex", "query", "/etc/pass"))
        done = run("bash", "--norc", "-c", f"source '{MANUALS}/ringdex.bash'; complete -p ringdex-ls")
        self.assertIn("-F _ringdex", done.stdout)

    @unittest.skipUnless(shutil.which("fish"), "fish is not installed")
    def test_fish_completes(self):
        def fish(line):
            done = run("fish", "--no-config", "-c",
                       f"source '{MANUALS}/ringdex.fish'; complete -C '{line}'")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return [row.split("\t")[0] for row in done.stdout.splitlines()]
        self.assertIn("query", fish("ringdex que"))
        self.assertIn("--watch", fish("ringdex ls --wa"))
        self.assertIn("--watch", fish("ringdex-ls --wa"))
        self.assertNotIn("--watch", fish("ringdex follow --wa"))
        self.assertEqual(fish("ringdex-follow --wait="),
                         ["--wait=auto", "--wait=epoll", "--wait=io_uring"])

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh_reads_it(self):
        done = run("zsh", "-n", f"{MANUALS}/_ringdex")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
