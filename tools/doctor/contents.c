/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/doctor/contents.h"

#include "shm/index_layout.h"
#include "tools/doctor/indexer.h"
#include "tools/inspect/sighting.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <ringdex/rdx_clean.h>
#include <ringdex/rdx_version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Of docs/operations.md: descriptors of an indexer, for each rank and index; and its own. */
#define FILES_A_RANK  6
#define FILES_ANYHOW  64
#define GROWTH_BYTES  (UINT64_C(1) << 32) /* addresses that a rank takes so that it can grow */
#define LINES_AT_MOST 16                  /* of one kind: more of the same is no news */

struct census {
	struct indexer_rank *live;
	uint32_t live_count;
	uint32_t dead;
	uint32_t unreadable;
	uint32_t hidden; /* this user may not look at them: nothing is known of them */
	uint64_t largest_bytes;
};

static void check_versions(struct findings *findings)
{
	findings_add(findings, "version",
		     strcmp(RDX_VERSION, rdx_version_text()) ? FINDING_WARNING : FINDING_OK,
		     strcmp(RDX_VERSION, rdx_version_text())
			     ? "install programs and library together"
			     : NULL,
		     "ringdex %s with library %s: segments of format %d, indexes of format %d",
		     RDX_VERSION, rdx_version_text(), RDX_SEGMENT_VERSION, RDX_INDEX_VERSION);
}

static void tell_unreadable(struct findings *findings, const struct sighting *sighting)
{
	char rank[RANKS_TEXT_BYTES];

	findings_add(findings, "segments", sighting->alive ? FINDING_ERROR : FINDING_WARNING,
		     sighting->alive ? "restart its worker, with this version of ringdex"
				     : "ringdex clean removes it",
		     "%s is unreadable%s: %s", ranks_name_text(&sighting->name, rank),
		     sighting->alive ? ", though alive" : "", sighting->reason);
}

static void add_live(struct census *census, const struct sighting *sighting)
{
	struct indexer_rank *live =
		reallocarray(census->live, census->live_count + 1, sizeof(*live));

	if (!live)
		messages_no_memory();
	census->live = live;
	live[census->live_count++] =
		(struct indexer_rank){.name = sighting->name, .epoch = sighting->info.epoch};
}

static void look_at(struct findings *findings, const struct sighting *sighting,
		    struct census *census)
{
	if (sighting->state == SIGHTING_UNREADABLE && sighting->error == -EACCES) {
		census->hidden++;
		return;
	}
	if (sighting->state == SIGHTING_UNREADABLE) {
		if (census->unreadable++ < LINES_AT_MOST)
			tell_unreadable(findings, sighting);
		return;
	}
	if (sighting->info.file_bytes > census->largest_bytes)
		census->largest_bytes = sighting->info.file_bytes;
	if (sighting->state == SIGHTING_DEAD)
		census->dead++;
	else
		add_live(census, sighting);
}

static void check_segments(struct findings *findings, const struct space *space,
			   struct census *census)
{
	const struct ranks all = {0};
	struct sighting sighting;
	struct ranks found;

	if (ranks_find(space, &all, &found) < 0)
		return; /* why was said */
	for (size_t i = 0; i < found.count; i++)
		if (sighting_look(space, &found.names[i], &sighting) == 0)
			look_at(findings, &sighting, census);
	ranks_free(&found);
	findings_add(findings, "segments", FINDING_OK, NULL,
		     "%" PRIu32 " live, %" PRIu32 " dead, %" PRIu32 " unreadable",
		     census->live_count, census->dead, census->unreadable);
	if (census->hidden)
		findings_add(findings, "segments", FINDING_NOTE,
			     "ask as their owner, a member of their group, or root",
			     "%" PRIu32 " more cannot be looked at by this user", census->hidden);
}

/* Whether one is at work is seen by what it says of ranks. */
static void check_indexer(struct findings *findings, const struct space *space,
			  const struct census *census)
{
	if (census->hidden && !census->live_count)
		findings_add(findings, "indexer", FINDING_NOTE,
			     "ask as a user who may look at the segments",
			     "not known: this user sees no live rank");
	else
		indexer_check(findings, space, census->live, census->live_count);
}

/* What ringdex clean --dry-run would say. */
static void check_stale(struct findings *findings, const struct space *space)
{
	const struct rdx_clean_options options = {
		.size = sizeof(options), .dir = space->dir, .dry_run = 1};
	struct rdx_clean_result result = {.size = sizeof(result)};
	int r = rdx_clean(&options, &result);
	char size[FIGURES_BYTES];

	if (r < 0)
		findings_add(findings, "stale", FINDING_NOTE, NULL, "cannot be told: %s",
			     messages_explain(r));
	else if (result.removed)
		findings_add(findings, "stale", FINDING_WARNING,
			     "ringdex clean --dry-run lists them, ringdex clean removes them",
			     "%" PRIu64 " thing%s of dead processes, %s", result.removed,
			     figures_plural(result.removed), figures_size(result.bytes, size));
	else
		findings_add(findings, "stale", FINDING_OK, NULL, "nothing of dead processes");
	if (r == 0 && result.failed)
		findings_add(findings, "stale", FINDING_NOTE,
			     "ask as the owner of the files, or as root",
			     "%" PRIu64 " of them cannot be looked at by this user", result.failed);
}

static void check_descriptors(struct findings *findings, uint64_t ranks)
{
	uint64_t needed = FILES_ANYHOW + ranks * FILES_A_RANK;
	char has[FIGURES_BYTES], wants[FIGURES_BYTES];
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	findings_add(findings, "limits", limit.rlim_cur < needed ? FINDING_WARNING : FINDING_OK,
		     limit.rlim_cur < needed ? "ulimit -n, or LimitNOFILE= of the unit" : NULL,
		     "%s files at once; an indexer of %" PRIu64 " rank%s wants %s",
		     figures_grouped(limit.rlim_cur, has), ranks, figures_plural(ranks),
		     figures_grouped(needed, wants));
}

static void check_sizes(struct findings *findings, uint64_t largest_bytes)
{
	char text[FIGURES_BYTES], wants[FIGURES_BYTES];
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		findings_add(findings, "limits",
			     limit.rlim_cur < largest_bytes ? FINDING_ERROR : FINDING_WARNING,
			     "ulimit -f unlimited, or LimitFSIZE=infinity",
			     "a file may have %s (RLIMIT_FSIZE); the largest segment has %s",
			     figures_size(limit.rlim_cur, text),
			     figures_size(largest_bytes, wants));
	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < GROWTH_BYTES)
		findings_add(findings, "limits", FINDING_WARNING,
			     "ulimit -v unlimited, or LimitAS=infinity",
			     "%s of addresses (RLIMIT_AS): a rank may not be able to grow",
			     figures_size(limit.rlim_cur, text));
}

void contents_check(struct findings *findings, const struct space *space)
{
	struct census census = {0};

	check_versions(findings);
	if (space) {
		check_segments(findings, space, &census);
		check_indexer(findings, space, &census);
		check_stale(findings, space);
	}
	check_descriptors(findings, census.live_count);
	check_sizes(findings, census.largest_bytes);
	free(census.live);
}
