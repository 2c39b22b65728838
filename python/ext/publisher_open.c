/* SPDX-License-Identifier: Apache-2.0 */
#include "python/ext/publisher.h"

#include "python/ext/arguments.h"
#include "python/ext/errors.h"
#include "python/ext/words.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* How long a signal's handler is kept waiting while a predecessor has the rank. */
#define SIGNALS_NS UINT64_C(50000000)

static const struct error_advice open_advice[] = {
	{EBUSY,
	 "another running process publishes this rank: end it, give another worker_id, or wait="
	 "seconds"},
	{ENOSPC,
	 "the file system is full: ringdex clean removes what the dead left, reap_dead=True does "
	 "it at open"},
	{0, NULL},
};

/* Words and flags of the translator have been read: no other option of it can be out of range. */
static const struct error_advice translate_advice[] = {
	{EINVAL, "counting_groups is 8 at most, and 1 with clear_scope=\"worker\""},
	{0, NULL},
};

/* What is given of an option that open may refuse, and what it must be. */
static const struct bound {
	size_t at, bytes; /* in the options */
	const char *text;
} bounds[] = {
#define BOUND(member, text)                                                                        \
	{                                                                                          \
		offsetof(struct rdx_publisher_options, member),                                    \
			sizeof(((struct rdx_publisher_options *)NULL)->member), text               \
	}
	BOUND(instance, "instance is empty: say where a router sends requests"),
	BOUND(model, "model is empty: say by which name routers open the index"),
	BOUND(tier_blocks, "blocks of a tier are 2^31 at most"),
	BOUND(block_tokens, "block_tokens is 1 to 65,536, or 0 for 16"),
	BOUND(ring_slots, "ring_slots is a power of two, 64 to 2^32, or 0 for 65,536"),
	BOUND(file_mode, "file_mode is 0o777 at most, and lets nobody else write: to truncate the "
			 "file is to kill the engine"),
};
static_assert(RDX_TIER_BLOCKS_MAX == UINT64_C(1) << 31 && RDX_BLOCK_TOKENS_MAX == 65536 &&
		      RDX_RING_SLOTS_MIN == 64 && RDX_RING_SLOTS_MAX == UINT64_C(1) << 32 &&
		      RDX_ENGINE_GROUPS_MAX == 8,
	      "as the texts say");

/* What was given to open. */
struct wanted {
	struct rdx_publisher_options options;
	struct rdx_engine_options engine;
	PyObject *dir, *media, *types, *counting_kinds, *harmless_fields;
	const char *clear_scope, *report_mode, *cleared_means;
	int skip_unknown, joined_late, zero_is_root, reap_dead;
};

static int parse(PyObject *args, PyObject *kwargs, struct wanted *wanted)
{
	static char *words[] = {"instance",
				"model",
				"worker_id",
				"device_blocks",
				"host_blocks",
				"disk_blocks",
				"external_blocks",
				"dp_rank",
				"block_tokens",
				"tenant",
				"dir",
				"ring_slots",
				"remembered_names",
				"clear_scope",
				"report_mode",
				"file_mode",
				"reap_dead",
				"wait",
				"media",
				"types",
				"counting_kinds",
				"counting_groups",
				"harmless_fields",
				"cleared_means",
				"skip_unknown",
				"joined_late",
				"zero_is_root",
				"names_max",
				NULL};
	struct rdx_publisher_options *o = &wanted->options;
	struct rdx_engine_options *e = &wanted->engine;

	return PyArg_ParseTupleAndKeywords(
		args, kwargs, "ss|$O&O&O&O&O&O&O&zO&O&O&ssO&pO&OOOO&OspppO&:Publisher", words,
		&o->instance, &o->model, arguments_u64, &o->worker_id, arguments_u64,
		&o->tier_blocks[0], arguments_u64, &o->tier_blocks[1], arguments_u64,
		&o->tier_blocks[2], arguments_u64, &o->tier_blocks[3], arguments_u32, &o->dp_rank,
		arguments_u32, &o->block_tokens, &o->tenant, arguments_path, &wanted->dir,
		arguments_u64, &o->ring_slots, arguments_u64, &o->remembered_names,
		&wanted->clear_scope, &wanted->report_mode, arguments_u32, &o->file_mode,
		&wanted->reap_dead, arguments_seconds, &o->wait_ns, &wanted->media, &wanted->types,
		&wanted->counting_kinds, arguments_u32, &e->counting_groups,
		&wanted->harmless_fields, &wanted->cleared_means, &wanted->skip_unknown,
		&wanted->joined_late, &wanted->zero_is_root, arguments_u64, &o->names_max);
}

/* Words of the options, as numbers. */
static int understand(struct wanted *wanted, PyObject *kwargs)
{
	static const char *const scopes[] = {"rank", "worker", NULL};
	static const char *const modes[] = {"copies", "mixed", "presence", NULL};
	static const char *const meanings[] = {"all", "device", NULL};
	int scope = arguments_word("clear_scope", wanted->clear_scope, scopes);
	int mode = scope < 0 ? -1 : arguments_word("report_mode", wanted->report_mode, modes);
	int means =
		mode < 0 ? -1 : arguments_word("cleared_means", wanted->cleared_means, meanings);

	if (means < 0)
		return -1;
	if (!kwargs || !PyDict_GetItemString(kwargs, "worker_id")) {
		PyErr_SetString(PyExc_TypeError,
				"Publisher needs worker_id=: a number that is this "
				"worker's own on the host");
		return -1;
	}
	wanted->options.clear_scope = (uint32_t)scope;
	wanted->options.report_mode = (uint32_t)mode;
	wanted->options.reap_dead = wanted->reap_dead != 0;
	wanted->engine.cleared_means = (uint32_t)means;
	wanted->engine.on_unknown =
		wanted->skip_unknown ? RDX_ENGINE_UNKNOWN_SKIP : RDX_ENGINE_UNKNOWN_INEXACT;
	wanted->engine.joined_late = wanted->joined_late != 0;
	wanted->engine.zero_is_root = wanted->zero_is_root != 0;
	return 0;
}

static int own_words(struct publisher *self, struct wanted *wanted)
{
	if (words_media(wanted->media, &self->media) < 0 ||
	    words_types(wanted->types, &self->types) < 0 ||
	    words_list(wanted->counting_kinds, "counting_kinds", &self->counting_kinds) < 0 ||
	    words_list(wanted->harmless_fields, "harmless_fields", &self->harmless_fields) < 0)
		return -1;
	wanted->engine.media = self->media;
	wanted->engine.types = self->types;
	wanted->engine.counting_kinds = (const char *const *)self->counting_kinds;
	wanted->engine.harmless_fields = (const char *const *)self->harmless_fields;
	return 0;
}

/* The library says that an option is out of range, and not which: so it is asked with one of them after the
 * other. NULL: none by itself. */
static const char *out_of_range(const struct rdx_publisher_options *given)
{
	static const uint64_t no_blocks[RDX_TIER_COUNT];
	struct rdx_publisher_options tried = {
		.size = sizeof(tried), .instance = "i", .model = "m", .tier_blocks = {1}};
	uint64_t bytes;

	if (memcmp(given->tier_blocks, no_blocks, sizeof(no_blocks)) == 0)
		return "give the blocks of a tier, as device_blocks=";
	for (size_t i = 0; i < sizeof(bounds) / sizeof(*bounds); i++) {
		memcpy((char *)&tried + bounds[i].at, (const char *)given + bounds[i].at,
		       bounds[i].bytes);
		if (rdx_publisher_segment_size(&tried, &bytes) == -EINVAL)
			return bounds[i].text;
	}
	return NULL;
}

static void raise_not_open(int r, const struct rdx_publisher_options *given)
{
	const struct error_advice range[] = {{EINVAL, out_of_range(given)}, {0, NULL}};

	errors_raise(r, "open the publisher", r == -EINVAL && range->text ? range : open_advice);
}

static int may_come(int r)
{
	return r == -EBUSY || r == -EAGAIN;
}

/* Wait for a predecessor as the library does, a part of the time at once: between them signals are heard. */
static int open_rank(struct publisher *self, const struct wanted *wanted)
{
	struct rdx_publisher_options options = wanted->options;
	uint64_t begun = publisher_now(), gone = 0;
	int r;

	do {
		options.wait_ns = wanted->options.wait_ns - gone;
		if (options.wait_ns > SIGNALS_NS)
			options.wait_ns = SIGNALS_NS;
		Py_BEGIN_ALLOW_THREADS;
		r = rdx_publisher_open(&self->publisher, &options);
		Py_END_ALLOW_THREADS;
		if (r < 0 && PyErr_CheckSignals() < 0)
			return -1;
		gone = publisher_now() - begun;
	} while (may_come(r) && gone < wanted->options.wait_ns);
	if (r == 0)
		return 0;
	raise_not_open(r, &wanted->options);
	return -1;
}

static int open_translator(struct publisher *self, const struct wanted *wanted)
{
	int r;

	Py_BEGIN_ALLOW_THREADS;
	r = rdx_engine_open(&self->engine, self->publisher, &wanted->engine);
	Py_END_ALLOW_THREADS;
	if (r == 0)
		return 0;
	errors_raise(r, "open the publisher", translate_advice);
	return -1;
}

int publisher_open(struct publisher *self, PyObject *args, PyObject *kwargs)
{
	struct wanted wanted = {.options = {.size = sizeof(wanted.options)},
				.engine = {.size = sizeof(wanted.engine)},
				.clear_scope = "rank",
				.report_mode = "copies",
				.cleared_means = "all"};
	int r = parse(args, kwargs, &wanted) ? understand(&wanted, kwargs) : -1;

	if (r == 0)
		r = own_words(self, &wanted);
	if (r == 0) {
		wanted.options.dir = wanted.dir ? PyBytes_AsString(wanted.dir) : NULL;
		r = open_rank(self, &wanted);
	}
	if (r == 0)
		r = open_translator(self, &wanted);
	Py_XDECREF(wanted.dir);
	return r;
}
