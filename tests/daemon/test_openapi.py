#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI file against the server, by schemathesis: test_openapi.py BIN_DIR io_uring|epoll DIR. Exit status 77:
it cannot be had from a package registry. It is installed once, into RDX_VENV."""
import contextlib
import copy
import json
import os
import stat
import subprocess
import sys
import unittest

from rig import DIR, PATIENCE_S, PROMPT, Daemon, query, until, worker

PACKAGE = "schemathesis==4.32.5"
VENV = os.environ.get("RDX_VENV", f"{DIR}/venv")
HERE = os.path.dirname(os.path.abspath(__file__))
FILE = f"{HERE}/../../package/openapi/ringdexd.json"
INSTALL_S = 300
SKIPPED = 77
EXAMPLES = "20"  # of each route, besides those that its limits make
# no route for made-up requests: files, and what has no end
LEFT_OUT = {"/", "/page.css", "/page.js", "/icon.svg", "/v1/live"}
REGISTRATIONS = ("register_engine", "register_peer")  # 503: there are as many as may be
REGISTERED = 8
# In place of a bridge: it connects to nobody, whatever was registered
BRIDGE = """#!/bin/sh
echo started >>"$0.said"
exec cat >/dev/null
"""
CONFIGURATION = """
# llhttp 8.1 does not know QUERY: 400
[phases.coverage]
unexpected-methods = ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]
# numbers of more than 64 bits in members that nobody knows
[[operations]]
include-tag = "dynamo"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404", "409"]
""" + "".join(f"""
[[operations]]
include-operation-id = "{operation}"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "409", "503"]
""" for operation in REGISTRATIONS)


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def install():
    """The pinned version, once: a folder that was not completed has no mark."""
    mark = f"{VENV}/{PACKAGE}"
    if os.path.exists(mark):
        return
    if subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], capture_output=True).returncode:
        skip("no venv (python3-venv)")
    run = subprocess.run([f"{VENV}/bin/pip", "install", "-q", "--retries", "1", "--timeout", "30", PACKAGE],
                         capture_output=True, text=True, timeout=INSTALL_S, check=False)
    if run.returncode:
        skip(f"{PACKAGE} cannot be had from a package registry")
    with open(mark, "w", encoding="ascii"):
        pass


def asked(described):
    """The file, for a server that has a worker of one model: else nearly all answers would be that there is none.
    Without lists of keys: how many entries they need depends on the tokens, which no schema can say."""
    described = copy.deepcopy(described)
    described["paths"] = {path: item for path, item in described["paths"].items() if path not in LEFT_OUT}
    schemas = described["components"]["schemas"]
    schemas["Model"] = {"type": "string", "enum": ["example"]}
    schemas["Tenant"] = {"enum": ["", None]}
    for name in "extra_keys", "mm_keys":
        del schemas["TokenPrompt"]["properties"][name]
    path = f"{DIR}/openapi.json"
    with open(path, "w", encoding="ascii") as file:
        json.dump(described, file)
    return path


class Described(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(FILE, encoding="ascii") as file:
            cls.described = json.load(file)
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.bridge = f"{DIR}/bridge.sh"
        with open(cls.bridge, "w", encoding="ascii") as file:
            file.write(BRIDGE)
        os.chmod(cls.bridge, stat.S_IRWXU)
        cls.daemon = Daemon("openapi", f"--bridge={cls.bridge}", f"--registered={REGISTERED}")
        cls.stack.callback(cls.daemon.close)
        cls.stack.enter_context(worker(cls.daemon.directory))
        until(cls.daemon.at_work, "it never works")
        until(lambda: cls.daemon.ask("POST", "/query", query(PROMPT))[0] == 200, "the worker is never seen")

    def test_it_is_served(self):
        self.assertEqual(self.daemon.ask("GET", "/v1/openapi.json"), (200, self.described))

    def test_schemathesis(self):
        with open(f"{DIR}/schemathesis.toml", "w", encoding="ascii") as file:
            file.write(CONFIGURATION)
        run = subprocess.run(
            [f"{VENV}/bin/schemathesis", f"--config-file={file.name}", "--no-color", "run", asked(self.described),
             f"--url=http://127.0.0.1:{self.daemon.port}", f"--max-examples={EXAMPLES}", "--seed=1",
             "--generation-deterministic", "--phases=examples,coverage,fuzzing",
             "--suppress-health-check=all", f"--request-timeout={PATIENCE_S}"],
            env={**os.environ, "PYTHONPATH": HERE, "SCHEMATHESIS_HOOKS": "openapi_hooks"},
            capture_output=True, text=True, cwd=DIR, check=False)
        self.assertEqual(run.returncode, 0, run.stdout[-20000:] + run.stderr[-2000:])
        print(run.stdout[-1500:])
        until(lambda: os.path.exists(f"{self.bridge}.said"), "no engine was registered")
        self.assertNotEqual(self.daemon.ask("GET", "/peers"), (200, []))


if __name__ == "__main__":
    install()
    unittest.main(argv=["test_openapi.py"], verbosity=2)
