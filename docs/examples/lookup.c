/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A router asks who holds the longest prefix of a request, and maintains the index itself.
 * Usage: example-lookup DIR. Prints one line per rank for the prompt of example-publish.
 */
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what, int r)
{
	fprintf(stderr, "example-lookup: %s: %s\n", what, strerror(-r));
	return 1;
}

/* Did a lookup fail only for now, as it may beside an indexer in another process? A router routes that request as
 * without an index, and asks again with the next one. */
static int may_pass(int r)
{
	return r == -EAGAIN ||  /* the index was in the midst of changes */
	       r == -EBADMSG || /* its file was damaged or cut: another one comes */
	       r == -EIDRM;     /* its indexer has ended: open it again where that stays so */
}

int main(int argc, char **argv)
{
	struct rdx_indexer_options options = {.size = sizeof(options)};
	struct rdx_index_key key = {.size = sizeof(key), .model = "example", .block_tokens = 4};
	uint32_t prompt[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	struct rdx_run runs[RDX_RANKS_MAX] = {{.size = sizeof(runs[0])}};
	struct rdx_tokens request = {.size = sizeof(request), .ids = prompt, .count = 12};
	struct rdx_indexer *indexer;
	struct rdx_index *index;
	int r, rows;

	options.dir = argc > 1 ? argv[1] : NULL;
	r = rdx_indexer_open(&indexer, &options);
	if (r < 0)
		return fail("cannot maintain the index", r);
	/* a router calls these two for as long as it lives; here: until all is caught up */
	while (rdx_indexer_poll(indexer, 0) > 0)
		rdx_indexer_wait(indexer, 1000000);
	rdx_indexer_poll(indexer, 0);

	/* any process may do this part, without the one above */
	r = rdx_index_open(&index, options.dir, &key);
	if (r < 0)
		return fail("no index", r);
	rows = rdx_index_lookup_tokens(index, &request, runs, RDX_RANKS_MAX);
	for (int i = 0; i < rows; i++)
		printf("worker %" PRIu64 " rank %" PRIu32 " at %s holds %" PRIu32
		       " blocks on its device: %s\n",
		       runs[i].worker_id, runs[i].dp_rank, runs[i].instance,
		       runs[i].blocks[RDX_TIER_DEVICE], rdx_state_text(runs[i].state));
	rdx_index_close(index);
	rdx_indexer_close(indexer);
	if (rows < 0)
		(void)fail("no answer", rows);
	return rows < 0 && !may_pass(rows);
}
