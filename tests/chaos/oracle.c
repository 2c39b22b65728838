/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/oracle.h"

#include "tests/rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RUN_MAX   12 /* blocks in a line */
#define NAME_STEP 1000

static_assert(ORACLE_DEPTH < 64, "a bit for each length");

static uint64_t name_of(uint32_t chain, uint32_t block)
{
	return (uint64_t)chain * NAME_STEP + block + 1;
}

static uint64_t local_of(uint32_t chain, uint32_t block)
{
	uint64_t state = name_of(chain, block);

	return rig_random(&state);
}

uint32_t oracle_held(const struct oracle *oracle, uint32_t chain, enum oracle_set set)
{
	const struct oracle_chain *at = &oracle->chains[chain];

	return set == ORACLE_DEVICE || at->device > at->host ? at->device : at->host;
}

int oracle_had(const struct oracle *oracle, uint32_t chain, enum oracle_set set, uint64_t blocks)
{
	return blocks <= ORACLE_DEPTH && (oracle->chains[chain].had[set] >> blocks & 1);
}

/* What is held now is one of the instants. */
static void pass(struct oracle *oracle, uint32_t chain)
{
	for (int set = 0; set < ORACLE_SETS; set++)
		oracle->chains[chain].had[set] |= UINT64_C(1) << oracle_held(oracle, chain, set);
}

void oracle_born(struct oracle *oracle)
{
	oracle->lines = 0;
	for (uint32_t chain = 0; chain < ORACLE_CHAINS; chain++) {
		oracle->chains[chain].device = oracle->chains[chain].host = 0;
		pass(oracle, chain);
	}
}

void oracle_rest(struct oracle *oracle)
{
	for (uint32_t chain = 0; chain < ORACLE_CHAINS; chain++) {
		memset(oracle->chains[chain].had, 0, sizeof(oracle->chains[chain].had));
		pass(oracle, chain);
	}
}

/* One more or less in a tier, block by block: an answer may be of the middle. */
static void move(struct oracle *oracle, uint32_t chain, uint32_t *tier, uint32_t to)
{
	while (*tier != to) {
		*tier += *tier < to ? 1 : UINT32_MAX;
		pass(oracle, chain);
	}
}

struct text {
	char *bytes;
	int length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	text->length += vsnprintf(text->bytes + text->length,
				  ORACLE_LINE_BYTES - (size_t)text->length, format, list);
	va_end(list);
}

/* `from` up to `to`, or down to it. */
static void put_names(struct text *text, uint32_t chain, uint32_t from, uint32_t to)
{
	put(text, ",\"names\":[");
	for (uint32_t i = from; i != to; i += from < to ? 1 : UINT32_MAX)
		put(text, "%s%" PRIu64, i == from ? "" : ",",
		    name_of(chain, from < to ? i : i - 1));
	put(text, "]");
}

static void put_store(struct text *text, uint32_t chain, uint32_t from, uint32_t to)
{
	put(text, "\"type\":\"stored\"");
	put_names(text, chain, from, to);
	put(text, ",\"local_hashes\":[");
	for (uint32_t i = from; i < to; i++)
		put(text, "%s%" PRIu64, i == from ? "" : ",", local_of(chain, i));
	put(text, "]");
	if (from)
		put(text, ",\"parent\":%" PRIu64, name_of(chain, from - 1));
}

static void store(struct text *text, struct oracle *oracle, uint32_t chain, uint32_t count)
{
	uint32_t *device = &oracle->chains[chain].device;
	uint32_t to = *device + count > ORACLE_DEPTH ? ORACLE_DEPTH : *device + count;

	put_store(text, chain, *device, to);
	move(oracle, chain, device, to);
}

/* A copy of what the device holds. */
static void copy(struct text *text, struct oracle *oracle, uint32_t chain, uint32_t count)
{
	struct oracle_chain *at = &oracle->chains[chain];
	uint32_t to = at->host + count > at->device ? at->device : at->host + count;

	put(text, "\"type\":\"stored\",\"tier\":\"host\"");
	put_names(text, chain, at->host, to);
	move(oracle, chain, &at->host, to);
}

static void evict(struct text *text, struct oracle *oracle, uint32_t chain, uint32_t count,
		  int is_host)
{
	struct oracle_chain *at = &oracle->chains[chain];
	uint32_t *tier = is_host ? &at->host : &at->device;
	uint32_t to = *tier > count ? *tier - count : 0;

	put(text, "\"type\":\"removed\",\"tier\":\"%s\"", is_host ? "host" : "device");
	put_names(text, chain, *tier, to);
	move(oracle, chain, tier, to);
}

static void clear(struct text *text, struct oracle *oracles, uint32_t ranks)
{
	put(text, "\"type\":\"cleared\"");
	for (uint32_t rank = 0; rank < ranks; rank++)
		for (uint32_t chain = 0; chain < ORACLE_CHAINS; chain++) {
			/* a reader may see one tier cleared before the other */
			oracles[rank].chains[chain].device = 0;
			pass(&oracles[rank], chain);
			oracles[rank].chains[chain].host = 0;
			pass(&oracles[rank], chain);
		}
}

int oracle_draw(struct oracle *oracles, uint32_t ranks, uint32_t rank, uint64_t worker,
		uint64_t *random, char ret_line[ORACLE_LINE_BYTES])
{
	uint32_t chain = (uint32_t)(rig_random(random) % ORACLE_CHAINS);
	uint32_t count = 1 + (uint32_t)(rig_random(random) % RUN_MAX);
	uint32_t kind = (uint32_t)(rig_random(random) % 100);
	struct oracle *oracle = &oracles[rank];
	const struct oracle_chain *at = &oracle->chains[chain];
	struct text text = {.bytes = ret_line};

	put(&text, "{\"worker\":%" PRIu64 ",\"dp_rank\":%u,", worker, rank);
	if (kind >= 98 && oracle->lines)
		clear(&text, oracles, ranks);
	else if (kind >= 92 && at->host)
		evict(&text, oracle, chain, count, 1);
	else if (kind >= 80 && at->device > at->host)
		copy(&text, oracle, chain, count);
	else if (at->device == ORACLE_DEPTH || (kind >= 50 && at->device))
		evict(&text, oracle, chain, count, 0);
	else
		store(&text, oracle, chain, count);
	put(&text, "}\n");
	oracle->lines++;
	return text.length;
}

int oracle_prompt(uint32_t chain, char ret_line[ORACLE_LINE_BYTES])
{
	struct text text = {.bytes = ret_line};

	for (uint32_t i = 0; i < ORACLE_DEPTH; i++)
		put(&text, "%" PRIu64 "%s", local_of(chain, i), i + 1 == ORACLE_DEPTH ? "\n" : " ");
	return text.length;
}
