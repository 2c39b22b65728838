# SPDX-License-Identifier: Apache-2.0
"""The plugin for SGLang, an entry point of sglang.srt.plugins:

    --kv-events-config '{"publisher":"ringdex","endpoint":"ringdex:?instance=http://host:30000"}'

Runs in every process of SGLang.
"""

import logging
from typing import Any

log = logging.getLogger("ringdex")

NAME = "ringdex"


def _known() -> dict[str, Any]:
    """What the schedulers that construct the publisher know."""
    from ringdex import engine

    known: dict[str, Any] = {}
    for variables in engine.callers():
        owner = variables.get("self")
        tokens = getattr(owner, "max_total_num_tokens", None)
        page = getattr(getattr(owner, "tree_cache", None), "page_size", None)
        model = getattr(getattr(owner, "server_args", None), "served_model_name", None)
        if isinstance(tokens, int) and isinstance(page, int) and page > 0:
            known.setdefault("block_tokens", page)
            known.setdefault("device_blocks", tokens // page)
        if isinstance(model, str):
            known.setdefault("model", model)
    return known


def _constructor(zmq: Any) -> Any:
    def construct(attn_dp_rank: int, **options: Any) -> Any:
        from ringdex import engine

        def own(endpoint: str) -> Any:
            return zmq(attn_dp_rank=attn_dp_rank, **{**options, "endpoint": endpoint})

        return engine.make(options.get("endpoint", ""), attn_dp_rank, _known, own)

    return construct


def register() -> None:
    """Add ours to SGLang's publishers, once."""
    try:
        from sglang.srt.disaggregation.kv_events import EventPublisherFactory

        registry = EventPublisherFactory._registry
        if NAME not in registry:
            EventPublisherFactory.register_publisher(NAME, _constructor(registry["zmq"]))
    except Exception as fault:
        log.warning("ringdex: the plugin does not fit this SGLang: %r", fault)
