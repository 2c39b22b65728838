# SPDX-License-Identifier: Apache-2.0
"""How an engine's publisher is configured: ringdex:?instance=http://host:8000&blocks=60000&...

What the URL does not say, an environment variable may: RINGDEX_INSTANCE, RINGDEX_BLOCKS and so on. What
neither says is taken from the engine, or has a default. docs/python.md has the table.
"""

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

log = logging.getLogger("ringdex")

SCHEME = "ringdex:"
PREFIX = "RINGDEX_"

# What Kubernetes sets in every pod beside a service whose name begins with ringdex.
_OF_A_SERVICE = re.compile(PREFIX + r"(.+_)?(SERVICE_(HOST|PORT)|PORT)(_.*)?")
_said: set[str] = set()


def _number(text: str) -> int:
    value = int(text.replace("_", ""))
    if not 0 <= value < 2**64:
        raise ValueError("give a number from 0 to 2^64 - 1")
    return value


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("give 0 or 1")
    return text == "1"


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _pairs(text: str) -> dict[str, str | None]:
    """NAME:MEANING,NAME:none"""
    pairs: dict[str, str | None] = {}
    for word in _words(text):
        name, colon, meaning = word.rpartition(":")
        if not colon:
            raise ValueError("give NAME:MEANING, more of them after commas, none for what is left out")
        pairs[name] = None if meaning == "none" else meaning
    return pairs


# What the publisher calls it, and how its text is read.
_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "dir": ("dir", str),
    "instance": ("instance", str),
    "worker": ("worker_id", _number),
    "model": ("model", str),
    "tenant": ("tenant", str),
    "block_tokens": ("block_tokens", _number),
    "blocks": ("device_blocks", _number),
    "host": ("host_blocks", _number),
    "disk": ("disk_blocks", _number),
    "external": ("external_blocks", _number),
    "ring_slots": ("ring_slots", _number),
    "report_mode": ("report_mode", str),
    "clear_scope": ("clear_scope", str),
    "cleared_means": ("cleared_means", str),
    "counting_groups": ("counting_groups", _number),
    "counting_kinds": ("counting_kinds", _words),
    "media": ("media", _pairs),
    "types": ("types", _pairs),
    "harmless_fields": ("harmless_fields", _words),
    "skip_unknown": ("skip_unknown", _flag),
    "joined_late": ("joined_late", _flag),
    "zero_is_root": ("zero_is_root", _flag),
    "remembered_names": ("remembered_names", _number),
    "tee": ("tee", str),
}


@dataclass
class Config:
    """What was said: arguments of ringdex.Publisher, and where the engine's own stream goes besides."""

    options: dict[str, Any] = field(default_factory=dict)
    tee: str | None = None


class Wrong(ValueError):
    """What is wrong, and where. The engine's own stream goes on besides, if that could be read."""

    def __init__(self, text: str, tee: str | None) -> None:
        super().__init__(text)
        self.tee = tee


def as_options(text: str) -> str:
    """A text about arguments of ringdex.Publisher, with the options' names."""
    for option, (argument, _) in _OPTIONS.items():
        text = re.sub(rf"\b{argument}\b", option, text)
    return text


def is_ours(endpoint: object) -> bool:
    """Is it an endpoint of ringdex's?"""
    return isinstance(endpoint, str) and endpoint.startswith(SCHEME)


def _read(name: str, text: str, whence: str) -> tuple[str, Any]:
    if name not in _OPTIONS:
        raise ValueError(f"{whence}: there is no {name}, only {', '.join(_OPTIONS)}")
    key, read = _OPTIONS[name]
    try:
        return key, read(text)
    except ValueError as fault:
        raise ValueError(f"{whence}: {name} is {text!r}: {fault}") from None


def _say_unknown(environ: Mapping[str, str]) -> None:
    """A variable that is misspelled would be one that was never set. Once in a process."""
    known = {PREFIX + name.upper() for name in _OPTIONS}
    for name, text in environ.items():
        if not text or not name.startswith(PREFIX) or name in known or name in _said:
            continue
        if not _OF_A_SERVICE.fullmatch(name):
            _said.add(name)
            log.warning("ringdex: %s means nothing: the variables are %s", name, ", ".join(sorted(known)))


def _words_of(endpoint: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Option, text and whence it is: the environment first. ValueError."""
    for name in _OPTIONS:
        text = environ.get(PREFIX + name.upper())
        if text:
            yield name, text, PREFIX + name.upper()
    if is_ours(endpoint):
        path, _, query = endpoint[len(SCHEME) :].partition("?")
        for name, text in parse_qsl(query, keep_blank_values=True):
            yield name, text, endpoint
        if path.strip("/"):
            raise ValueError(f"{endpoint}: give options alone, as in ringdex:?instance=URL&blocks=N")
        parse_qsl(query, strict_parsing=bool(query))


def parse(endpoint: str, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a URL, and the environment behind it. Wrong says what is, of several the last."""
    options: dict[str, Any] = {}
    wrong = ""
    _say_unknown(environ)
    try:
        for name, text, whence in _words_of(endpoint, environ):
            try:
                key, value = _read(name, text, whence)
                options[key] = value
            except ValueError as fault:
                wrong = str(fault)
    except ValueError as fault:
        wrong = str(fault)
    try:
        if "instance" in options:
            options.setdefault("worker_id", worker_of(options["instance"]))
    except UnicodeEncodeError:
        wrong = "instance is no text in UTF-8"
    tee = options.pop("tee", None)
    if wrong:
        raise Wrong(wrong, tee)
    return Config(options, tee)


def worker_of(instance: str) -> int:
    """A worker's number where none was given: the same for an instance on every host, in every life."""
    return int.from_bytes(hashlib.blake2b(instance.encode(), digest_size=8).digest(), "little")
