# SPDX-License-Identifier: Apache-2.0
"""Engines' publisher modules: where $RDX_ENGINES has them those of the packages, loaded by path without
a GPU or torch, else recorded.py. And our plugin in them, through its entry point."""

import importlib.metadata
import importlib.util
import json
import logging
import os
import sys
import types

import recorded
from simulated import BLOCK

REAL = os.environ.get("RDX_ENGINES")
BUILDS = (("vllm", "0.33.0"), ("vllm", "0.22.1"), ("sglang", "0.5.23"))
BLOCKS = 4096  # that the engine says it has


def attributes(**given):
    return types.SimpleNamespace(**given)


def stub(name, **given):
    """A module that is not what it is called."""
    module = types.ModuleType(name)
    module.__path__ = []
    vars(module).update(given)
    sys.modules[name] = module
    return module


def load(folder, name):
    """A module of a package as it is."""
    path = os.path.join(folder, name.replace(".", "/"))
    path = os.path.join(path, "__init__.py") if os.path.isdir(path) else path + ".py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def forget(package):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]


class Build:
    """One engine in one version: classes, a factory, and what constructs a publisher there."""

    def __init__(self, kind, version):
        self.kind, self.version = kind, version
        forget(kind)
        if REAL:
            self.folder = os.path.join(REAL, f"{kind}-{version}")
        self.load_real() if REAL else self.load_recorded()

    def plug(self):
        """What each of the engine's processes does at its start."""
        if REAL:
            self.load_plugins()
        else:
            plugins = importlib.metadata.entry_points(group=self.GROUP)
            plugins["ringdex"].load()()

    def own(self, rank, **options):
        """The engine's own publisher."""
        return self.kv.ZmqEventPublisher(rank, **options)


class Vllm(Build):
    GROUP = "vllm.general_plugins"
    RANK = "data_parallel_rank"

    def load_recorded(self):
        for name in ("vllm", "vllm.distributed", "vllm.config"):
            stub(name)
        self.kv, self.config = recorded.vllm(self.version)
        sys.modules["vllm.distributed.kv_events"] = self.kv

    def load_real(self):
        import pydantic.dataclasses

        for name in ("vllm", "vllm.config", "vllm.distributed", "vllm.utils", "vllm.v1", "vllm.v1.core"):
            stub(name)
        stub("vllm.envs", VLLM_PLUGINS=None)
        sys.modules["vllm"].envs = sys.modules["vllm.envs"]
        stub("vllm.logger", init_logger=logging.getLogger)
        stub("vllm.config.utils", config=pydantic.dataclasses.dataclass)
        stub("vllm.utils.network_utils", get_ip=None, get_tcp_uri=None, is_valid_ipv6_address=None,
             split_zmq_path=None)
        stub("vllm.v1.core.kv_cache_utils", ExternalBlockHash=bytes | int)
        self.config = load(self.folder, "vllm.config.kv_events")
        self.kv = load(self.folder, "vllm.distributed.kv_events")
        self.load_plugins = load(self.folder, "vllm.plugins").load_general_plugins

    def construct(self, endpoint, rank=0, **more):
        """As the Scheduler does, in whose variables the engine's configuration is."""
        config = self.config.KVEventsConfig(
            enable_kv_cache_events=True, publisher="zmq", endpoint=endpoint, **more)
        vllm_config = attributes(
            cache_config=attributes(num_gpu_blocks=BLOCKS, block_size=BLOCK),
            model_config=attributes(served_model_name="model"))
        publisher = self.kv.EventPublisherFactory.create(config, rank)
        del vllm_config
        return publisher


class Sglang(Build):
    GROUP = "sglang.srt.plugins"
    RANK = "attn_dp_rank"

    def load_recorded(self):
        for name in ("sglang", "sglang.srt", "sglang.srt.disaggregation"):
            stub(name)
        self.kv = recorded.sglang()
        sys.modules["sglang.srt.disaggregation.kv_events"] = self.kv

    def load_real(self):
        for name in ("sglang", "sglang.srt", "sglang.srt.disaggregation", "sglang.srt.utils",
                     "sglang.srt.managers", "sglang.srt.managers.scheduler_components"):
            stub(name)
        self.parallel = attributes(pp_rank=0, attn_tp_rank=0, attn_cp_rank=0, attn_dp_size=1,
                                   attn_dp_rank=0, dp_rank=0)
        stub("sglang.srt.runtime_context", get_parallel=lambda: self.parallel)
        stub("sglang.srt.managers.io_struct", hook_custom_types=lambda *types: None, sock_send=None)
        unset = attributes(get=lambda: None)
        stub("sglang.srt.environ", envs=attributes(SGLANG_PLUGINS=unset, SGLANG_PLATFORM=unset))
        load(self.folder, "sglang.srt.utils.network")
        self.kv = load(self.folder, "sglang.srt.disaggregation.kv_events")
        self.inner = load(self.folder,
                          "sglang.srt.managers.scheduler_components.kv_events_publisher")
        self.load_plugins = load(self.folder, "sglang.srt.plugins").load_plugins

    def construct(self, endpoint, rank=0, publisher=None, **more):
        """As the Scheduler does, by an object of its own."""
        ours = endpoint.startswith("ringdex:")
        config = json.dumps(
            {"publisher": publisher or ("ringdex" if ours else "zmq"), "endpoint": endpoint, **more})
        return SglangScheduler(self, config, rank).publisher.kv_event_publisher


class SglangScheduler:
    def __init__(self, build, config, rank):
        self.server_args = attributes(served_model_name="model")
        tree_cache = attributes(page_size=BLOCK)
        if REAL:
            build.parallel.dp_rank = rank
            self.publisher = build.inner.SchedulerKvEventsPublisher(
                kv_events_config=config, tree_cache=tree_cache, send_metrics_from_scheduler=None,
                max_running_requests=1, max_total_num_tokens=BLOCKS * BLOCK, get_stats=None)
        else:
            self.publisher = SglangPublisher(build, config, rank, tree_cache)


class SglangPublisher:
    """What SchedulerKvEventsPublisher is recorded as."""

    def __init__(self, build, config, rank, tree_cache):
        self.tree_cache, self.max_total_num_tokens = tree_cache, BLOCKS * BLOCK
        self.kv_event_publisher = build.kv.EventPublisherFactory.create(config, rank)


def build(kind, version):
    return (Vllm if kind == "vllm" else Sglang)(kind, version)
