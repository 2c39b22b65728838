#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Routes of ringdexd (tools/ringdexd/routes.c) and paths of package/openapi/ringdexd.json are the same. Runs at the
top of the tree; says what to add or remove, and fails if there is something."""
import json
import re
import sys

ROUTES, FILE = "tools/ringdexd/routes.c", "package/openapi/ringdexd.json"
ROUTE = re.compile(r'^\t\{"([A-Z]+)", "(/[^"]*)", [01],', re.M)

with open(ROUTES, encoding="utf-8") as file:
    served = {(method.lower(), path) for method, path in ROUTE.findall(file.read())}
with open(FILE, encoding="ascii") as file:
    described = {(method, path) for path, item in json.load(file)["paths"].items() for method in item}
if not served:
    sys.exit(f"no route found in {ROUTES}: has its table another form?")
for method, path in sorted(served - described):
    print(f"{FILE} lacks a route: add to its \"paths\" what {method.upper()} {path} takes and answers, as\n"
          f'  "{path}": {{"{method}": {{"tags": ["..."], "summary": "...", "responses": {{"200": {{...}}, "401": ...}}}}}}\n'
          f"and, if schemathesis must not call it, to LEFT_OUT in tests/daemon/test_openapi.py")
for method, path in sorted(described - served):
    print(f"{FILE} has {method.upper()} {path}, which is no route in {ROUTES}: remove it there, or add the route")
sys.exit(served != described)
