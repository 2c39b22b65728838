/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus/oracle.h"
#include "bench/corpus/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PLACES_LEAST 1024

int oracle_open(struct oracle *ret_oracle, uint32_t workers)
{
	struct oracle_set *sets = calloc(workers, sizeof(*sets));

	if (!sets)
		return -ENOMEM;
	*ret_oracle = (struct oracle){.sets = sets, .workers = workers};
	return 0;
}

void oracle_close(struct oracle *oracle)
{
	for (uint32_t w = 0; oracle->sets && w < oracle->workers; w++)
		free(oracle->sets[w].names);
	free(oracle->sets);
	*oracle = (struct oracle){0};
}

static uint64_t find(const struct oracle_set *set, uint64_t name)
{
	return names_find(set->names, set->mask, name);
}

/* Room for one more, at most half full. */
static void set_grow(struct oracle_set *set)
{
	struct oracle_set larger = {.mask = set->names ? 2 * set->mask + 1 : PLACES_LEAST - 1,
				    .count = set->count};

	if (set->names && set->count < set->mask / 2)
		return;
	larger.names = calloc(larger.mask + 1, sizeof(uint64_t));
	if (!larger.names) {
		fprintf(stderr, "no memory for the oracle\n");
		exit(1);
	}
	for (uint64_t i = 0; set->names && i <= set->mask; i++) {
		if (set->names[i])
			larger.names[find(&larger, set->names[i])] = set->names[i];
	}
	free(set->names);
	*set = larger;
}

static int set_add(struct oracle_set *set, uint64_t name)
{
	uint64_t at;

	set_grow(set);
	at = find(set, name);
	if (set->names[at])
		return 0;
	set->names[at] = name;
	set->count++;
	return 1;
}

static int set_remove(struct oracle_set *set, uint64_t name)
{
	uint64_t gap, from;

	set_grow(set);
	gap = find(set, name);
	if (!set->names[gap])
		return 0;
	for (; (from = names_mover(set->names, set->mask, gap)) != gap; gap = from)
		set->names[gap] = set->names[from];
	set->names[gap] = 0;
	set->count--;
	return 1;
}

void oracle_apply(struct oracle *oracle, const struct corpus_record *record)
{
	struct oracle_set *set = &oracle->sets[record->worker];

	switch (record->kind) {
	case CORPUS_STORED:
		for (uint32_t i = 0; i < record->count; i++)
			oracle->wrong += !set_add(set, record->names[i]);
		break;
	case CORPUS_REMOVED:
		for (uint32_t i = 0; i < record->count; i++)
			oracle->wrong += !set_remove(set, record->names[i]);
		break;
	case CORPUS_CLEARED:
		free(set->names);
		*set = (struct oracle_set){0};
		break;
	case CORPUS_QUERY:
		break;
	}
}

uint32_t oracle_leading(const struct oracle *oracle, uint32_t worker, const uint64_t *names,
			uint32_t count)
{
	const struct oracle_set *set = &oracle->sets[worker];
	uint32_t held = 0;

	while (held < count && set->count && set->names[find(set, names[held])])
		held++;
	return held;
}
