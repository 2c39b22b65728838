/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mock/mock_options.h"
#include "tools/program/arguments.h"

#include <inttypes.h>
#include <stdio.h>

RDX_API const char *argp_program_version = "ringdex-mock " RDX_VERSION;

enum mock_option {
	OPTION_DIR = 'd',
	OPTION_WORKER = 'w',
	OPTION_RANK = 'r',
	OPTION_TRACE = 't',
	OPTION_BLOCKS = 0x100,
	OPTION_HOST_BLOCKS,
	OPTION_BLOCK_TOKENS,
	OPTION_RING_SLOTS,
	OPTION_MODEL,
	OPTION_TENANT,
	OPTION_INSTANCE,
	OPTION_CLEAR_SCOPE,
	OPTION_NAME_BYTES,
	OPTION_BATCH,
	OPTION_RUNNING,
	OPTION_PREFILLS,
	OPTION_PREFILL_RATE,
	OPTION_DECODE_RATE,
	OPTION_CLEAR_KEEPS,
	OPTION_SEED,
	OPTION_SPEED,
	OPTION_HOLD,
};

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "What it publishes as:", 1 },
	{ "dir", OPTION_DIR, "DIR", 0, "Namespace (/dev/shm/ringdex)", 1 },
	{ "worker-id", OPTION_WORKER, "N", 0, "Worker (0)", 1 },
	{ "dp-rank", OPTION_RANK, "N", 0, "Data-parallel rank (0)", 1 },
	{ "model", OPTION_MODEL, "TEXT", 0, "Model name (mock)", 1 },
	{ "tenant", OPTION_TENANT, "TEXT", 0, "Tenant (none)", 1 },
	{ "instance", OPTION_INSTANCE, "TEXT", 0, "Where requests go (mock://WORKER/RANK)", 1 },
	{ "ring-slots", OPTION_RING_SLOTS, "N", 0, "Slots of 64 bytes, a power of two (65536)", 1 },
	{ "clear-scope", OPTION_CLEAR_SCOPE, "rank|worker", 0, "Whom an announced clear "
	  "concerns (rank)", 1 },
	{ "name-bytes", OPTION_NAME_BYTES, "8|32", 0, "Size of the engine's block names (8)", 1 },
	{ NULL, 0, NULL, 0, "The engine:", 2 },
	{ "blocks", OPTION_BLOCKS, "N", 0, "Blocks of the device tier (16384)", 2 },
	{ "host-blocks", OPTION_HOST_BLOCKS, "N", 0, "Blocks of the host tier (0: none)", 2 },
	{ "block-tokens", OPTION_BLOCK_TOKENS, "N", 0, "Tokens per block (16)", 2 },
	{ "running", OPTION_RUNNING, "N", 0, "Requests at once (128)", 2 },
	{ "prefills", OPTION_PREFILLS, "N", 0, "Prefills at once (2)", 2 },
	{ "prefill-rate", OPTION_PREFILL_RATE, "N", 0, "Tokens a second of one prefill (20000)", 2 },
	{ "decode-rate", OPTION_DECODE_RATE, "N", 0, "Tokens a second of one answer (50)", 2 },
	{ "batch-removals", OPTION_BATCH, "N", 0, "Names per removal event (1, as vLLM)", 2 },
	{ "clear-keeps-running", OPTION_CLEAR_KEEPS, NULL, 0, "A clear lets running requests go "
	  "on: later blocks of theirs name parents from before it", 2 },
	{ "seed", OPTION_SEED, "S", 0, "Of the block names (random)", 2 },
	{ NULL, 0, NULL, 0, "A trace instead of standard input:", 3 },
	{ "trace", OPTION_TRACE, "FILE", 0, "Replay FILE, print the statistics, end", 3 },
	{ "speed", OPTION_SPEED, "X", 0, "X times the trace's pace (0: as fast as it goes)", 3 },
	{ "hold", OPTION_HOLD, NULL, 0, "Stay alive behind the input's end until SIGTERM or "
	  "SIGINT: a dead worker's blocks leave the index", 3 },
	{ 0 },
};

static int parse_engine(int key, const char *arg, struct argp_state *state,
			struct engine_options *e)
{
#define NUMBER(name, min, max) (uint32_t)arguments_number(state, name, arg, min, max)
	switch (key) {
	case OPTION_BLOCKS:
		e->device_blocks = NUMBER("blocks", 1, UINT32_C(1) << 30);
		return 0;
	case OPTION_HOST_BLOCKS:
		e->host_blocks = NUMBER("host-blocks", 0, UINT32_C(1) << 30);
		return 0;
	case OPTION_BLOCK_TOKENS:
		e->block_tokens = NUMBER("block-tokens", 1, RDX_BLOCK_TOKENS_MAX);
		return 0;
	case OPTION_RUNNING:
		e->running_max = NUMBER("running", 1, 100000);
		return 0;
	case OPTION_PREFILLS:
		e->prefill_lanes = NUMBER("prefills", 1, 100000);
		return 0;
	case OPTION_PREFILL_RATE:
		e->prefill_rate = NUMBER("prefill-rate", 1, 1000000000);
		return 0;
	case OPTION_DECODE_RATE:
		e->decode_rate = NUMBER("decode-rate", 1, 1000000000);
		return 0;
	case OPTION_BATCH:
		e->removals_max = NUMBER("batch-removals", 1, 1000000);
		return 0;
	case OPTION_CLEAR_KEEPS:
		e->clear_keeps = 1;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
#undef NUMBER
}

static int parse_publisher(int key, const char *arg, struct argp_state *state,
			   struct rdx_publisher_options *p)
{
	static const char *const scopes[] = { "rank", "worker", NULL };

	switch (key) {
	case OPTION_DIR:
		p->dir = arg;
		return 0;
	case OPTION_WORKER:
		p->worker_id = arguments_number(state, "worker-id", arg, 0, UINT64_MAX);
		return 0;
	case OPTION_RANK:
		p->dp_rank = (uint32_t)arguments_number(state, "dp-rank", arg, 0, UINT32_MAX);
		return 0;
	case OPTION_MODEL:
		p->model = arg;
		return 0;
	case OPTION_TENANT:
		p->tenant = arg;
		return 0;
	case OPTION_INSTANCE:
		p->instance = arg;
		return 0;
	case OPTION_RING_SLOTS:
		p->ring_slots = arguments_ring_slots(state, "ring-slots", arg);
		return 0;
	case OPTION_CLEAR_SCOPE:
		p->clear_scope = arguments_choice(state, "clear-scope", arg, scopes);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const name_sizes[] = { "8", "32", NULL };
	struct mock_options *o = state->input;
	int known;

	switch (key) {
	case OPTION_NAME_BYTES:
		o->name_bytes = arguments_choice(state, "name-bytes", arg, name_sizes) ? 32 : 8;
		return 0;
	case OPTION_SEED:
		o->engine.name_seed = arguments_number(state, "seed", arg, 0, UINT64_MAX);
		o->seed_given = 1;
		return 0;
	case OPTION_TRACE:
		o->trace = arg;
		return 0;
	case OPTION_SPEED:
		o->speed = arguments_fraction(state, "speed", arg, 0, 1e9);
		return 0;
	case OPTION_HOLD:
		o->hold = 1;
		return 0;
	default:
		known = parse_engine(key, arg, state, &o->engine);
		return known == ARGP_ERR_UNKNOWN ? parse_publisher(key, arg, state, &o->publisher)
						 : known;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "A mock inference engine: keeps blocks as vLLM does and publishes its cache events.\v"
	       "Reads requests, one JSON object per line, from standard input in the format of "
	       "ringdex-trace, runs them in virtual time, and answers each with one line. Further "
	       "lines are commands: {\"command\":\"clear\"} (with \"tier\":\"host\" or "
	       "\"device\" for one tier, \"announce\":false to say nothing of it), \"stats\", "
	       "\"dump\" (the blocks it holds as prefix hashes), \"advance\" (run on to "
	       "\"time_ms\"), \"finish\" (run until all requests are done).\n\n"
	       "Exit status: 0; 1 when a line was bad or something failed; 2 for wrong usage.",
};

void mock_options_parse(int argc, char **argv, struct mock_options *ret_options)
{
	struct mock_options *o = ret_options;

	*o = (struct mock_options){
		.engine = ENGINE_DEFAULTS,
		.publisher = RDX_PUBLISHER_OPTIONS_INIT,
		.name_bytes = sizeof(uint64_t),
	};
	o->publisher.model = "mock";
	argp_err_exit_status = ARGUMENTS_EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, o);
	o->publisher.block_tokens = o->engine.block_tokens;
	o->publisher.tier_blocks[RDX_TIER_DEVICE] = o->engine.device_blocks;
	o->publisher.tier_blocks[RDX_TIER_HOST] = o->engine.host_blocks;
	/* one step may remove every device block before it stores them to the host by name */
	o->publisher.remembered_names = o->engine.device_blocks + UINT64_C(1024);
	if (!o->publisher.instance) {
		snprintf(o->instance, sizeof(o->instance), "mock://%" PRIu64 "/%u",
			 o->publisher.worker_id, o->publisher.dp_rank);
		o->publisher.instance = o->instance;
	}
}
