/* SPDX-License-Identifier: Apache-2.0 */
#include "producer/emit.h"
#include "producer/enlarge.h"
#include "producer/private.h"

#include "shm/bell_file.h"
#include "shm/clock.h"
#include "shm/event.h"
#include "shm/namespace.h"
#include "shm/reap.h"
#include "shm/shared_clock.h"
#include "shm/sized.h"
#include "shm/source.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_TOKENS_DEFAULT 16
#define RING_SLOTS_DEFAULT   65536
#define GROWN_NAMES_DEFAULT  (UINT32_C(1) << 24)
#define WAIT_PAUSE_NS        5000000
#define START_TRIES          10

static_assert(offsetof(struct rdx_publisher_stats, lacking) -
			      offsetof(struct rdx_publisher_stats, events) ==
		      RDX_COUNTER_LACKING * sizeof(uint64_t),
	      "statistics and counters have one order");

/* All open handles of the process, for the child of a fork. */
static pthread_mutex_t handles_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct rdx_publisher *handles;
static int handles_are_watched;

static void before_fork(void)
{
	pthread_mutex_lock(&handles_mutex);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&handles_mutex);
}

/* The mappings are not inherited; the descriptors are, and would keep the parent's lock
 * after its death. Closing them here unlocks nothing of the parent's. */
static void after_fork_in_child(void)
{
	for (struct rdx_publisher *p = handles; p; p = p->next) {
		rdx_segment_disown(&p->owner);
		if (p->bell_mapping.fd >= 0)
			close(p->bell_mapping.fd);
		p->bell_mapping.fd = -1;
		p->bell_mapping.base = NULL;
		p->bell = NULL;
		p->dead = -EOWNERDEAD;
	}
	handles = NULL;
	pthread_mutex_unlock(&handles_mutex);
}

static int watch_forks(void)
{
	int error = 0;

	pthread_mutex_lock(&handles_mutex);
	if (!handles_are_watched)
		error = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	handles_are_watched |= !error;
	pthread_mutex_unlock(&handles_mutex);
	return -error;
}

/* Under the mutex. */
static void list_handle(struct rdx_publisher *p)
{
	p->next = handles;
	if (handles)
		handles->previous = p;
	handles = p;
}

static void unlist_handle(struct rdx_publisher *p)
{
	if (p->next)
		p->next->previous = p->previous;
	if (p->previous)
		p->previous->next = p->next;
	else
		handles = p->next;
}

/* A fork finds a rank claimed and listed, or neither. */
static int claim_segment(struct rdx_publisher *p, int dir_fd, const struct rdx_segment_spec *spec)
{
	int r;

	pthread_mutex_lock(&handles_mutex);
	r = rdx_segment_claim(&p->owner, dir_fd, &p->key, spec);
	if (r == 0)
		list_handle(p);
	pthread_mutex_unlock(&handles_mutex);
	return r;
}

static void release_segment(struct rdx_publisher *p)
{
	pthread_mutex_lock(&handles_mutex);
	unlist_handle(p);
	rdx_segment_release(&p->owner);
	pthread_mutex_unlock(&handles_mutex);
}

/* The same of one that has no name yet. */
static void discard_segment(struct rdx_publisher *p, int dir_fd)
{
	pthread_mutex_lock(&handles_mutex);
	unlist_handle(p);
	rdx_segment_discard(&p->owner, dir_fd);
	pthread_mutex_unlock(&handles_mutex);
}

void rdx_publisher_forfeit(struct rdx_publisher *p)
{
	pthread_mutex_lock(&handles_mutex);
	rdx_segment_release(&p->owner); /* still listed: it may come into a forked child */
	p->dead = -EBUSY;
	pthread_mutex_unlock(&handles_mutex);
}

/* Names that can be known: one for every held block, and the remembered ones. */
static int names_wanted(const struct rdx_publisher_options *options, uint32_t *ret_names)
{
	uint64_t records, remembered = options->remembered_names;
	int r;

	if (remembered > RDX_NAMES_MAX)
		return -ENOMEM;
	r = rdx_segment_records(options->tier_blocks, remembered, &records);
	if (r < 0)
		return r;
	if (records > RDX_NAMES_MAX)
		return -ENOMEM;
	*ret_names = (uint32_t)records;
	return 0;
}

/* Reserve all private memory, without touching it yet. */
static int reserve(struct rdx_publisher *p, const struct rdx_publisher_options *options,
		   uint32_t names)
{
	uint32_t slots = rdx_ring_event_slots_max(options->ring_slots);

	p->pending.stored_max = rdx_event_hashes_max(RDX_EVENT_STORED, slots);
	p->pending.removed_max = rdx_event_hashes_max(RDX_EVENT_REMOVED, slots);
	return rdx_private_reserve(p, names);
}

/* The private state, once its memory is touched and the rank is claimed. */
static int start_state(struct rdx_publisher *p)
{
	uint64_t key[2];
	int r = rdx_namespace_random(key, sizeof(key));

	if (r < 0)
		return r;
	rdx_private_start(p, key);
	p->spare = rdx_enlarge_spare(p);
	return 0;
}

static void adopt_segment(struct rdx_publisher *p)
{
	p->epoch = p->owner.header->epoch;
	p->lineage.records = p->owner.ledger.records;
	if (!p->owner.clear.base)
		return;
	p->clear = p->owner.clear.base;
	p->stamp = p->owner.stamp;
}

/* Nothing of what the rank held can be said in its new segment: as after opening, but that the engine holds
 * blocks. */
static void start_over(struct rdx_publisher *p, const struct rdx_hash_key *key,
		       const uint8_t *key_bytes)
{
	const uint64_t names_key[2] = {p->names.key[0], p->names.key[1]};
	uint64_t flags = p->counters[RDX_COUNTER_FLAGS], bell = p->counters[RDX_COUNTER_BELL];

	p->key = *key;
	memcpy(p->key_bytes, key_bytes, sizeof(p->key_bytes));
	rdx_private_wipe(p);
	memset(p->counters, 0, sizeof(p->counters));
	p->counters[RDX_COUNTER_FLAGS] = flags;
	p->counters[RDX_COUNTER_BELL] = bell;
	p->position = p->time_ns = 0;
	p->inexact = p->reported = p->exhausted = 0;
	rdx_private_start(p, names_key);
	adopt_segment(p);
	rdx_publisher_mark(p, RDX_INEXACT_LACKING, RDX_LACKING_ALL_TIERS);
	rdx_emit_finish(p, 0);
}

/* Under the mutex: a child forked meanwhile would keep the new segment's lock. What is not whole cannot
 * go back to what was: a name for it is tried again. */
static int replace_segment(struct rdx_publisher *p, int dir_fd, const uint8_t *key_bytes,
			   const struct rdx_segment_room *room)
{
	struct rdx_segment_owner old = p->owner;
	struct rdx_segment_again again = {.room = *room,
					  .stamp = p->stamp,
					  .file_mode = p->file_mode,
					  .is_full = (uint8_t)rdx_publish_is_full(p)};
	struct rdx_hash_key key;
	int renewed, r;

	rdx_hash_key_expand(key_bytes, &key);
	again.key = &key;
	renewed = rdx_segment_renew(&p->owner, &old, dir_fd, &again);
	if (renewed < 0)
		return renewed;
	if (renewed == RDX_SEGMENT_EMPTY)
		start_over(p, &key, key_bytes);
	else
		adopt_segment(p);
	if (renewed == RDX_SEGMENT_MISSED)
		rdx_publish_missed(p);
	r = rdx_segment_name(&p->owner, dir_fd);
	if (r < 0 && renewed == RDX_SEGMENT_WHOLE) {
		rdx_segment_discard(&p->owner, dir_fd);
		p->owner = old;
		p->owner.stamp = again.stamp;
		adopt_segment(p);
		return r;
	}
	rdx_segment_release(&old);
	return r < 0 ? r : renewed;
}

int rdx_publisher_renew(struct rdx_publisher *p, int dir_fd, const uint8_t *key_bytes,
			const struct rdx_segment_room *room)
{
	int r;

	pthread_mutex_lock(&handles_mutex);
	r = replace_segment(p, dir_fd, key_bytes, room);
	pthread_mutex_unlock(&handles_mutex);
	return r;
}

void rdx_publisher_join_bell(struct rdx_publisher *p, int dir_fd)
{
	struct rdx_mapping bell = {.fd = -1};

	/* a bell of another user is not rung: its consumers poll */
	if (rdx_bell_file_open(&bell, dir_fd, 1) < 0)
		return;
	pthread_mutex_lock(&handles_mutex);
	rdx_mapping_close(&p->bell_mapping);
	p->bell_mapping = bell;
	pthread_mutex_unlock(&handles_mutex);
	p->bell = p->bell_mapping.base;
	p->counters[RDX_COUNTER_FLAGS] |= RDX_LIVE_RINGS_BELL;
	p->counters[RDX_COUNTER_BELL] = rdx_bell_file_id(&p->bell_mapping);
	p->counted = 1;
}

static struct rdx_segment_spec spec_of(const struct rdx_publisher_options *options, uint32_t names)
{
	struct rdx_segment_spec spec = {
		.worker_id = options->worker_id,
		.dp_rank = options->dp_rank,
		.block_tokens = options->block_tokens,
		.clear_scope = options->clear_scope,
		.report_mode = options->report_mode,
		.file_mode = options->file_mode,
		.ring_slots = options->ring_slots,
		.instance = options->instance,
		.model = options->model,
		.tenant = options->tenant,
	};

	memcpy(spec.tier_blocks, options->tier_blocks, sizeof(spec.tier_blocks));
	spec.ledger_records = names;
	return spec;
}

/* Defaults filled in, everything checked. */
static int plan(const struct rdx_publisher_options *from, struct rdx_publisher_options *ret_options,
		struct rdx_segment_header *ret_header)
{
	struct rdx_publisher_options options;
	struct rdx_segment_spec spec;
	uint32_t names;
	int r = from ? rdx_sized_take(&options, sizeof(options), from) : -EINVAL;

	if (r < 0)
		return r;
	if (options.clear_scope > RDX_CLEAR_WORKER || options.report_mode > RDX_REPORT_PRESENCE ||
	    options.reap_dead > 1)
		return -EINVAL;
	if (options.block_tokens == 0)
		options.block_tokens = BLOCK_TOKENS_DEFAULT;
	if (options.ring_slots == 0)
		options.ring_slots = RING_SLOTS_DEFAULT;
	r = names_wanted(&options, &names);
	if (r < 0)
		return r;
	*ret_options = options;
	spec = spec_of(&options, names);
	return rdx_segment_plan(&spec, ret_header);
}

int rdx_publisher_segment_size(const struct rdx_publisher_options *options, uint64_t *ret_bytes)
{
	struct rdx_publisher_options planned;
	struct rdx_segment_header header;
	int r = plan(options, &planned, &header);

	if (r == 0)
		*ret_bytes = header.file_bytes;
	return r;
}

/* A predecessor that has the rank is often about to end, and a cleaner sooner. */
static int claim_in_time(struct rdx_publisher *p, int dir_fd, const struct rdx_segment_spec *spec,
			 uint64_t wait_ns)
{
	const struct timespec pause = {.tv_nsec = WAIT_PAUSE_NS};
	uint64_t begun = rdx_clock_ns();
	int r;

	for (;;) {
		r = claim_segment(p, dir_fd, spec);
		if ((r != -EBUSY && r != -EAGAIN) || rdx_clock_ns() - begun >= wait_ns)
			return r;
		nanosleep(&pause, NULL);
	}
}

/* Where there is no room, the dead of this user make some, among them the rank's own last life. */
static int claim_with_room(struct rdx_publisher *p, int dir_fd, const struct rdx_segment_spec *spec,
			   const struct rdx_publisher_options *options)
{
	const struct rdx_reap reap = {.dir_fd = dir_fd, .own_only = 1};
	int r = claim_in_time(p, dir_fd, spec, options->wait_ns);

	if (r != -ENOSPC || !options->reap_dead)
		return r;
	(void)rdx_reap_workers(&reap); /* what it could remove may be enough */
	return claim_in_time(p, dir_fd, spec, options->wait_ns);
}

static int claim(struct rdx_publisher *p, const struct rdx_publisher_options *options,
		 uint32_t names, int dir_fd)
{
	struct rdx_segment_spec spec = spec_of(options, names);
	int r = rdx_namespace_key_bytes(dir_fd, 1, p->key_bytes);

	spec.records_max = p->names_max;
	if (r < 0)
		return r;
	rdx_hash_key_expand(p->key_bytes, &p->key);
	r = claim_with_room(p, dir_fd, &spec, options);
	if (r < 0)
		return r;
	adopt_segment(p);
	if (!p->owner.in_memory)
		p->counters[RDX_COUNTER_FLAGS] |= RDX_LIVE_DISK_BACKED;
	return 0;
}

/* Claim first, touch memory then: a rank that is taken is refused at once. The segment gets its name
 * when nothing else can fail. */
static int start_once(struct rdx_publisher *p, const struct rdx_publisher_options *options,
		      uint32_t names)
{
	int dir_fd = rdx_namespace_open(options->dir, 1);
	int r;

	if (dir_fd < 0)
		return dir_fd;
	r = claim(p, options, names, dir_fd);
	if (r == 0) {
		r = rdx_private_touch(p, names);
		if (r == 0)
			r = start_state(p);
		if (r == 0)
			r = rdx_segment_name(&p->owner, dir_fd);
		if (r < 0)
			discard_segment(p, dir_fd);
		else
			rdx_publisher_join_bell(p, dir_fd);
	}
	close(dir_fd);
	return r;
}

/* Somebody may remove the directories under it meanwhile: they are made again. */
static int start(struct rdx_publisher *p, const struct rdx_publisher_options *options,
		 uint32_t names)
{
	int r = -ENOENT;

	for (int i = 0; r == -ENOENT && i < START_TRIES; i++)
		r = start_once(p, options, names);
	return r;
}

int rdx_publisher_open(struct rdx_publisher **ret_publisher,
		       const struct rdx_publisher_options *from)
{
	struct rdx_publisher_options options;
	struct rdx_segment_header header;
	struct rdx_publisher *p;
	int r = plan(from, &options, &header);

	if (r < 0)
		return r;
	r = watch_forks();
	if (r == 0)
		r = rdx_shared_clock_learn();
	if (r < 0)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->bell_mapping.fd = -1;
	p->block_tokens = options.block_tokens;
	p->report_mode = options.report_mode;
	p->file_mode = options.file_mode;
	p->remembered = options.remembered_names;
	p->names_max = options.names_max ? options.names_max : GROWN_NAMES_DEFAULT;
	if (p->names_max > RDX_NAMES_MAX)
		p->names_max = RDX_NAMES_MAX;
	if (p->names_max < header.ledger_records)
		p->names_max = header.ledger_records;
	memcpy(p->tier_blocks, options.tier_blocks, sizeof(p->tier_blocks));
	r = rdx_namespace_path(options.dir, &p->path);
	if (r == 0)
		r = reserve(p, &options, (uint32_t)header.ledger_records);
	if (r == 0)
		r = start(p, &options, (uint32_t)header.ledger_records);
	if (r < 0) {
		rdx_private_free(p);
		free(p->path);
		free(p);
		return r;
	}
	p->counted = 1;
	rdx_emit_counters(p);
	*ret_publisher = p;
	return 0;
}

void rdx_publisher_close(struct rdx_publisher *p)
{
	if (!p)
		return;
	if (p->dead != -EOWNERDEAD) {
		release_segment(p);
		rdx_mapping_close(&p->bell_mapping);
		/* in a forked child these addresses are unmapped, or the child's own */
		rdx_private_free(p);
	}
	free(p->path);
	free(p);
}

void rdx_publisher_begin_batch(struct rdx_publisher *p)
{
	p->in_batch = 1;
}

void rdx_publisher_end_batch(struct rdx_publisher *p)
{
	int due = p->bell_due;

	p->in_batch = 0;
	p->bell_due = 0;
	if (due && p->bell && !p->dead)
		rdx_emit_ring(p);
}

int rdx_publisher_set_source(struct rdx_publisher *p, const struct rdx_source *from)
{
	struct rdx_source source;
	int r = p->dead ? p->dead : rdx_sized_take(&source, sizeof(source), from);

	if (r < 0)
		return r;
	if (source.kind > RDX_SOURCE_BRIDGE || source.is_away > 1)
		return -EINVAL;
	source.heard_ns = rdx_shared_clock_from(source.heard_ns);
	source.said_ns = rdx_shared_clock_from(rdx_clock_ns());
	rdx_source_store(p->owner.source, &source);
	return 0;
}

uint64_t rdx_publisher_epoch(const struct rdx_publisher *p)
{
	return p->epoch;
}

const struct rdx_hash_key *rdx_publisher_hash_key(const struct rdx_publisher *p)
{
	return &p->key;
}

int rdx_publisher_get_stats(const struct rdx_publisher *p, struct rdx_publisher_stats *ret_stats)
{
	struct rdx_publisher_stats stats = {.size = sizeof(stats)};
	uint64_t flags = p->counters[RDX_COUNTER_FLAGS];
	int r = p->dead ? p->dead : rdx_sized_check(ret_stats);

	if (r < 0)
		return r;
	memcpy((uint8_t *)&stats + offsetof(struct rdx_publisher_stats, events), p->counters,
	       (RDX_COUNTER_LACKING + 1) * sizeof(uint64_t));
	stats.inexact = p->inexact;
	stats.name_lost = p->name_lost;
	stats.outgrown = p->enlarge_wait_ns != 0;
	stats.growths = p->growths;
	stats.rings_bell = (flags & RDX_LIVE_RINGS_BELL) != 0;
	stats.disk_backed = (flags & RDX_LIVE_DISK_BACKED) != 0;
	rdx_sized_give(ret_stats, &stats, sizeof(stats));
	return 0;
}
