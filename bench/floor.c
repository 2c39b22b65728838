/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/floor.h"

#include "bench/measure.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_WORDS 8
#define AHEAD      32

void floor_resize(struct floor_table *table, uint64_t bytes)
{
	floor_close(table);
	table->lines = bytes / 64 + 1;
	table->words = measure_memory(table->lines * 64, MEASURE_SMALL_PAGES);
	table->at = 1;
	if (!table->words) {
		fprintf(stderr, "no memory for the floor\n");
		exit(1);
	}
}

void floor_close(struct floor_table *table)
{
	if (table->words)
		measure_memory_free(table->words, table->lines * 64);
	*table = (struct floor_table){0};
}

static uint64_t *line_of(const struct floor_table *table, uint64_t key)
{
	return &table->words[((key >> 32) * table->lines >> 32) * LINE_WORDS];
}

uint64_t floor_apply(struct floor_table *table, const uint64_t *keys, uint64_t count)
{
	uint64_t start = measure_cpu_ns(), equal = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t *line = line_of(table, keys[i]);

		if (i + AHEAD < count)
			measure_fetch(line_of(table, keys[i + AHEAD]));
		equal += line[keys[i] % LINE_WORDS] == keys[i];
		line[keys[i] % LINE_WORDS] = keys[i];
	}
	measure_use(equal);
	return measure_cpu_ns() - start;
}
