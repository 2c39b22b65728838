/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/rig.h"

#include "shm/clear.h"
#include "shm/namespace.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM_BYTES (UINT64_C(512) << 20) /* the largest segment of a test, twice */

/* Memory, or the disk where memory is small, as in a container: slower, not different. */
static const char *roomy_place(void)
{
	struct statvfs fs;

	if (statvfs("/dev/shm", &fs) == 0 && fs.f_bavail * fs.f_frsize >= ROOM_BYTES)
		return "/dev/shm";
	return "/tmp";
}

void rig_make(struct rig *rig)
{
	snprintf(rig->dir, sizeof(rig->dir), "%s/rdx-test-XXXXXX", roomy_place());
	assert_non_null(mkdtemp(rig->dir));
	rig->dir_fd = rdx_namespace_open(rig->dir, 0);
	assert_true(rig->dir_fd >= 0);
	assert_int_equal(rdx_namespace_key(rig->dir_fd, 1, &rig->key), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void rig_remove_tree(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void rig_remove(struct rig *rig)
{
	close(rig->dir_fd);
	rig_remove_tree(rig->dir);
}

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	rig_make(rig);
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	rig_remove(*state);
	free(*state);
	return 0;
}

struct rdx_segment_spec rig_spec(uint64_t worker_id, uint32_t dp_rank, uint64_t ring_slots,
				 uint64_t blocks)
{
	return (struct rdx_segment_spec){
		.worker_id = worker_id,
		.dp_rank = dp_rank,
		.block_tokens = 16,
		.ring_slots = ring_slots,
		.tier_blocks = {blocks},
		.instance = "http://localhost:8000",
		.model = "model",
		.tenant = "",
	};
}

int rig_claim(struct rig *rig, struct rig_producer *ret_producer,
	      const struct rdx_segment_spec *spec)
{
	memset(ret_producer, 0, sizeof(*ret_producer));
	return rdx_segment_claim(&ret_producer->owner, rig->dir_fd, &rig->key, spec);
}

void rig_release(struct rig_producer *producer)
{
	rdx_segment_release(&producer->owner);
}

static struct rdx_event_head next_head(struct rig_producer *producer, uint8_t kind, uint8_t tier,
				       uint64_t parent, uint32_t count)
{
	return (struct rdx_event_head){
		.event_id = ++producer->event_id,
		.parent = parent,
		.stamp = producer->stamp,
		.count = count,
		.kind = kind,
		.tier = tier,
	};
}

static void append(struct rig_producer *producer, const struct rdx_event_head *head,
		   const uint64_t *hashes)
{
	uint64_t position = producer->tail;

	producer->tail = rdx_event_append(&producer->owner.ring, position, head, hashes);
	atomic_store_explicit(&producer->owner.live->tail, producer->tail, memory_order_release);
	RDX_HOOK(RDX_HOOK_TAIL_MOVED);
	if (head->kind == RDX_EVENT_CLEARED && head->tier == RDX_SCOPE_ALL)
		rdx_barrier_name(producer->owner.live, position);
}

void rig_append(struct rig_producer *producer, uint8_t kind, uint8_t tier, uint64_t parent,
		const uint64_t *hashes, uint32_t count)
{
	struct rdx_event_head head = next_head(producer, kind, tier, parent, count);

	append(producer, &head, hashes);
}

void rig_store(struct rig *rig, struct rig_producer *producer, uint64_t local)
{
	struct rdx_event_head head = next_head(producer, RDX_EVENT_STORED, 0, 0, 1);
	uint64_t prefix;

	rdx_hash_chain(&rig->key, 0, &local, 1, &prefix);
	rdx_ledger_intend(producer->owner.live, producer->tail + 1);
	rdx_ledger_set(producer->owner.live, &producer->owner.ledger[0], 0, producer->used++,
		       prefix, local, 0);
	append(producer, &head, &local);
}

void rig_clear(struct rig_producer *producer)
{
	struct rdx_event_head head;

	if (producer->owner.clear.base)
		producer->stamp = rdx_clear_bump(producer->owner.clear.base);
	head = next_head(producer, RDX_EVENT_CLEARED, RDX_SCOPE_ALL, 0, 0);
	rdx_ledger_intend(producer->owner.live, producer->tail + 1);
	rdx_ledger_clear(producer->owner.live, &producer->owner.ledger[0], 0);
	rdx_word_store(&producer->owner.live->ledger_stamp, producer->stamp);
	producer->used = 0;
	append(producer, &head, NULL);
}

uint64_t rig_seed(void)
{
	const char *given = getenv("RDX_SEED");
	uint64_t seed = 0;

	if (given)
		seed = strtoull(given, NULL, 0);
	else
		rdx_namespace_random_id(&seed);
	print_message("seed: RDX_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}
