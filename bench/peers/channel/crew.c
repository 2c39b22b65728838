/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peers/channel/crew.h"

#include "bench/measure.h"
#include "shm/clock.h"

#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WARM_UP_ROUNDS 2
#define TRIAL          200 /* the fewest messages in a slice */

const struct channel *const crew_kind[CREW_KINDS] = {&channel_line, &channel_peer};

struct crew_table {
	struct {
		alignas(128) _Atomic uint64_t times;
	} arrived[CREW_MOST];
	alignas(128) _Atomic int enough; /* messages in a slice */
	_Atomic uint64_t wrong;
};

int crew_start(struct crew *crew, uint32_t count)
{
	*crew = (struct crew){.count = count};
	crew->table = measure_memory(sizeof(*crew->table), MEASURE_SHARED);
	if (!crew->table || count > CREW_MOST)
		return -1;
	for (uint32_t i = 1; i < count; i++) {
		crew->child[i] = fork();
		if (crew->child[i] < 0)
			return -1;
		if (crew->child[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			crew->me = i;
			break;
		}
	}
	measure_pin(crew->me);
	return 0;
}

void crew_meet(struct crew *crew)
{
	uint64_t mine = atomic_fetch_add(&crew->table->arrived[crew->me].times, 1) + 1;
	uint32_t spins = 0;

	for (uint32_t i = 0; i < crew->count; i++)
		while (atomic_load(&crew->table->arrived[i].times) < mine)
			channel_spin(&spins);
}

void crew_wrong(struct crew *crew)
{
	atomic_fetch_add(&crew->table->wrong, 1);
}

static double timed(struct crew *crew, crew_slice *slice, void *context, int kind, uint32_t count)
{
	uint64_t start;

	crew_meet(crew);
	start = rdx_clock_ns();
	slice(context, kind, count);
	crew_meet(crew);
	return (double)(rdx_clock_ns() - start) / count;
}

/* So many messages as take `slice_ns` or somewhat more: twice as many, until they do. */
static uint32_t choose(struct crew *crew, crew_slice *slice, void *context, int kind,
		       uint64_t slice_ns)
{
	uint32_t count = TRIAL / 2;

	do {
		double ns;

		count *= 2;
		ns = timed(crew, slice, context, kind, count) * count;
		if (crew->me == 0)
			atomic_store(&crew->table->enough, ns >= (double)slice_ns);
		crew_meet(crew);
	} while (!atomic_load(&crew->table->enough));
	return count;
}

void crew_run(struct crew *crew, const struct options *options, crew_slice *slice, void *context,
	      double *const ret_ns[CREW_KINDS])
{
	uint64_t slice_ns = options_pick(options, 10000000, 5000000, 1);
	uint32_t count[CREW_KINDS];

	for (int kind = 0; kind < CREW_KINDS; kind++)
		count[kind] = choose(crew, slice, context, kind, slice_ns);
	for (uint32_t round = 0; round < options->rounds + WARM_UP_ROUNDS; round++)
		for (int kind = 0; kind < CREW_KINDS; kind++) {
			double ns = timed(crew, slice, context, kind, count[kind]);

			if (round >= WARM_UP_ROUNDS && crew->me == 0)
				ret_ns[kind][round - WARM_UP_ROUNDS] = ns;
		}
}

int64_t crew_end(struct crew *crew, int failed)
{
	int64_t wrong = failed ? -1 : 0;

	if (crew->me != 0)
		_exit(failed);
	for (uint32_t i = 1; i < crew->count; i++) {
		int status = -1;

		if (failed)
			kill(crew->child[i], SIGKILL);
		if (waitpid(crew->child[i], &status, 0) < 0 || status != 0)
			wrong = -1;
	}
	if (wrong == 0)
		wrong = (int64_t)atomic_load(&crew->table->wrong);
	measure_memory_free(crew->table, sizeof(*crew->table));
	return wrong;
}
