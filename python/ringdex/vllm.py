# SPDX-License-Identifier: Apache-2.0
"""The plugin for vLLM, an entry point of vllm.general_plugins:

    --kv-events-config '{"enable_kv_cache_events":true,"endpoint":"ringdex:?instance=http://host:8000"}'

vLLM takes no publishers but "null" and "zmq", so "zmq" is wrapped: our endpoints are ours, every other one
is the original's. Runs in every process of vLLM; must not raise, which would end it.
"""

import logging
from typing import Any

log = logging.getLogger("ringdex")


def _block_tokens(variables: dict[str, Any], config: Any, cache: Any) -> int | None:
    """Of the events: ranks that share a context make a block longer, and cache groups have sizes of their own."""
    size = getattr(cache, "block_size", None)
    if not isinstance(size, int):
        return None
    groups = getattr(variables.get("kv_cache_config"), "kv_cache_groups", None)
    scheduled = variables.get("block_size")
    if isinstance(scheduled, int) and groups is not None and len(groups) <= 1:
        return scheduled
    parallel = getattr(config, "parallel_config", None)
    return size * getattr(parallel, "decode_context_parallel_size", 1)


def _known() -> dict[str, Any]:
    """What the Scheduler that constructs the publisher knows."""
    from ringdex import engine

    for variables in engine.callers():
        config = variables.get("vllm_config") or getattr(variables.get("self"), "vllm_config", None)
        cache = getattr(config, "cache_config", None)
        if cache is None:
            continue
        known: dict[str, Any] = {}
        model = getattr(getattr(config, "model_config", None), "served_model_name", None)
        model = model[0] if isinstance(model, (list, tuple)) and model else model
        blocks = getattr(cache, "num_gpu_blocks", None)
        if isinstance(model, str):
            known["model"] = model
        if isinstance(blocks, int):
            known["device_blocks"] = int(blocks * engine.HEADROOM)
        block_tokens = _block_tokens(variables, config, cache)
        if block_tokens:
            known["block_tokens"] = block_tokens
        return known
    return {}


def _wrap(original: Any) -> Any:
    def construct(data_parallel_rank: int, **options: Any) -> Any:
        from ringdex import engine, url

        def own(**changed: Any) -> Any:
            return original(data_parallel_rank=data_parallel_rank, **{**options, **changed})

        endpoint = options.get("endpoint", "")
        if not url.is_ours(endpoint):
            return own()
        return engine.make(
            endpoint, data_parallel_rank, _known, lambda tee: own(endpoint=tee)
        )

    construct.is_ringdex = True  # type: ignore[attr-defined]
    return construct


def register() -> None:
    """Wrap vLLM's own publisher, once."""
    try:
        from vllm.distributed.kv_events import EventPublisherFactory

        registry = EventPublisherFactory._registry
        if not getattr(registry["zmq"], "is_ringdex", False):
            registry["zmq"] = _wrap(registry["zmq"])
    except Exception as fault:  # an engine that is built otherwise: without us
        log.warning("ringdex: the plugin does not fit this vLLM: %r", fault)
