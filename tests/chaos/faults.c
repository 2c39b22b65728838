/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/faults.h"

#include "tests/rig.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define KINDS_MAX 64

static const struct faults_list *const lists[] = {&faults_processes, &faults_files, &faults_space};
static uint64_t made[KINDS_MAX];

/* The lists as one, but for what cannot be made here. */
static uint32_t gather(const struct crew *crew, const struct fault *ret_faults[KINDS_MAX])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		if (lists[i] == &faults_space && crew && !crew->is_own)
			continue;
		for (uint32_t k = 0; k < lists[i]->count; k++)
			ret_faults[count++] = &lists[i]->fault[k];
	}
	assert_true(count <= KINDS_MAX);
	return count;
}

/* With RDX_FAULTS=PATTERN only some are made. */
static uint32_t weight(const struct fault *fault)
{
	const char *only = getenv("RDX_FAULTS");

	return only && fnmatch(only, fault->name, FNM_EXTMATCH) != 0 ? 0 : fault->weight;
}

void faults_make(struct crew *crew)
{
	const struct fault *faults[KINDS_MAX];
	uint32_t count = gather(crew, faults), i = 0;
	uint64_t sum = 0, drawn;

	for (uint32_t k = 0; k < count; k++)
		sum += weight(faults[k]);
	assert_true(sum > 0);
	drawn = crew_random(crew, sum);
	while (drawn >= weight(faults[i]))
		drawn -= weight(faults[i++]);
	crew_note(crew, " %s", faults[i]->name);
	if (faults[i]->make)
		faults[i]->make(crew);
	else
		faults[i]->make_to(crew, faults[i]->target);
	crew->faults++;
	made[i]++;
}

void faults_print(void)
{
	const struct fault *faults[KINDS_MAX];
	uint32_t count = gather(NULL, faults);

	for (uint32_t i = 0; i < count; i++)
		print_message("%8" PRIu64 " %s\n", made[i], faults[i]->name);
}

struct crew_feed *faults_running_feed(struct crew *crew)
{
	uint32_t first = (uint32_t)crew_random(crew, CREW_FEEDS);

	for (uint32_t i = 0; i < CREW_FEEDS; i++) {
		struct crew_feed *feed = &crew->feeds[(first + i) % CREW_FEEDS];

		if (member_runs(&feed->member) && !feed->member.is_stopped)
			return feed;
	}
	return NULL;
}

void faults_pause(struct crew *crew, uint32_t most_us)
{
	usleep((useconds_t)crew_random(crew, most_us + 1));
}
