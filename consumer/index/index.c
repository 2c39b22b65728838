/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/index/index_handle.h"
#include "shm/clock.h"
#include "shm/entry.h"
#include "shm/guard.h"
#include "shm/shared_clock.h"
#include "shm/sized.h"
#include "shm/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES          64
#define PAUSES         16 /* between two of them */
#define MAP_TRIES      64 /* while the writer replaces what is about to be mapped */
#define SUSPECT_NS     UINT64_C(250000000)  /* a heartbeat older than this: look for a successor */
#define CHECK_EVERY_NS UINT64_C(10000000)   /* how often the kernel is asked for one */
#define GONE_NS        UINT64_C(2000000000) /* an indexer has made again what was lost by then */

static void cpu_pause(void)
{
#if defined(__x86_64__)
	for (int i = 0; i < PAUSES; i++)
		__builtin_ia32_pause();
#endif
}

static struct rdx_tables_of tables_of(const struct rdx_index *x, const struct rdx_index_live *live,
				      uint64_t writer_id)
{
	return (struct rdx_tables_of){
		.dir_fd = x->dir_fd, .id = &x->id, .live = live, .writer_id = writer_id};
}

/* Look up in the current table of a control file. -ENOENT: it has been replaced already. */
static int switch_table(struct rdx_index *x, const struct rdx_index_live *live, uint64_t writer_id)
{
	struct rdx_tables_of of = tables_of(x, live, writer_id);
	int r = rdx_tables_switch(&x->tables, &of);

	if (r < 0)
		return r;
	x->lookup.search.table = x->tables.current->table;
	x->lookup.generation = x->tables.current->generation;
	return 0;
}

/* Use a control file that was just mapped instead of the one in use, which is unmapped. */
static void replace_ctl(struct rdx_index *x)
{
	struct rdx_mapping *next = &x->ctl[!x->ctl_now], *old = &x->ctl[x->ctl_now];

	rdx_guard_add(next);
	if (old->base) {
		rdx_guard_remove(old);
		rdx_mapping_close(old);
	}
	x->ctl_now = !x->ctl_now;
	x->lookup.cached = 0;
}

/* Map the control file that now has the name, and its table. 0 if it is mapped already; -ESTALE if
 * that table has been replaced; on failure the old mappings stay. */
static int map_index(struct rdx_index *x)
{
	struct rdx_mapping *next = &x->ctl[!x->ctl_now], *old = &x->ctl[x->ctl_now];
	const struct rdx_index_live *live;
	struct rdx_index_header header;
	struct stat a, b;
	int r = rdx_index_file_ctl_map(next, x->dir_fd, &x->id, &x->hash_key, 0, &header);

	if (r < 0)
		return r;
	if (old->base && fstat(next->fd, &a) == 0 && fstat(old->fd, &b) == 0 &&
	    a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
		rdx_mapping_close(next);
		return 0;
	}
	live = &((const struct rdx_index_ctl *)next->base)->live;
	r = switch_table(x, live, header.writer_id);
	if (r < 0) {
		rdx_mapping_close(next);
		return r == -ENOENT ? -ESTALE : r;
	}
	replace_ctl(x);
	x->writer_id = header.writer_id;
	x->lookup.live = live;
	x->lookup.stale_after_ns = header.stale_after_ns;
	return 0;
}

/* The same, repeated while its table is replaced during the open. */
static int map_newest(struct rdx_index *x)
{
	int r = -ESTALE;

	for (int i = 0; i < MAP_TRIES && r == -ESTALE; i++)
		r = map_index(x);
	return r == -ESTALE ? -ENOENT : r;
}

/* Why there is no such index in a directory that exists. */
static int not_yet(const struct rdx_index *x)
{
	return rdx_namespace_is_indexed(x->dir_fd) ? -EAGAIN : -ESRCH;
}

static int open_index(struct rdx_index *x, const char *dir)
{
	int r = rdx_namespace_path(dir, &x->path);

	if (r == 0)
		r = x->dir_fd = rdx_namespace_open(dir, 0);
	if (r < 0)
		return r;
	r = rdx_namespace_key(x->dir_fd, 0, &x->hash_key);
	if (r == 0)
		r = map_newest(x);
	return r == -ENOENT ? not_yet(x) : r;
}

int rdx_index_open(struct rdx_index **ret_index, const char *dir, const struct rdx_index_key *from)
{
	struct rdx_index_key key;
	struct rdx_index *x;
	int r = from ? rdx_sized_take(&key, sizeof(key), from) : -EINVAL;

	if (r < 0)
		return r;
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->dir_fd = x->ctl[0].fd = x->ctl[1].fd = -1;
	x->lookup.all_ranks = key.flags & RDX_INDEX_ALL_RANKS;
	rdx_tables_open(&x->tables);
	r = key.flags & ~RDX_INDEX_ALL_RANKS ? -EINVAL : 0;
	if (r == 0)
		r = rdx_index_file_id(key.model, key.tenant, key.block_tokens, &x->id);
	if (r == 0)
		r = open_index(x, dir);
	if (r == 0) /* last: who waits for an index asks often */
		r = rdx_shared_clock_learn();
	if (r < 0) {
		rdx_index_close(x);
		return r;
	}
	rdx_mapping_touch(&x->ctl[x->ctl_now], 0);
	rdx_tables_populate(&x->tables);
	*ret_index = x;
	return 0;
}

void rdx_index_close(struct rdx_index *x)
{
	if (!x)
		return;
	if (x->ctl[x->ctl_now].base)
		rdx_guard_remove(&x->ctl[x->ctl_now]);
	rdx_mapping_close(&x->ctl[x->ctl_now]);
	rdx_tables_close(&x->tables);
	if (x->dir_fd >= 0)
		close(x->dir_fd);
	rdx_keys_free(&x->keys);
	free(x->path);
	free(x);
}

const struct rdx_hash_key *rdx_index_hash_key(const struct rdx_index *x)
{
	return &x->hash_key;
}

/* Another directory has the path: go over to it, if it has the same key: what callers chained by it
 * stays good. On failure the old one stays. */
static int change_directory(struct rdx_index *x)
{
	struct rdx_hash_key key;
	int old = x->dir_fd, r = rdx_namespace_open(x->path, 0);

	if (r < 0)
		return r;
	x->dir_fd = r;
	r = rdx_namespace_key(x->dir_fd, 0, &key);
	if (r == 0)
		r = key.fingerprint == x->hash_key.fingerprint ? map_newest(x) : -EIDRM;
	if (r == 0) {
		close(old);
	} else {
		close(x->dir_fd);
		x->dir_fd = old;
	}
	return r;
}

/* The writer is dead, or says that it has a successor: map that, wherever it is. 0 also for the same
 * file, which still has its name. */
static int look_for_successor(struct rdx_index *x)
{
	int r = map_newest(x);

	if (r == -ENOENT && rdx_namespace_lost(x->dir_fd, x->path) == -ESTALE)
		r = change_directory(x);
	return r;
}

/* There was a look for a successor. -EIDRM: the old file is no good any more, and there is no other. */
static int judge(struct rdx_index *x, int found, uint64_t now)
{
	if (found == 0)
		x->gone_ns = 0;
	else if (!x->gone_ns)
		x->gone_ns = now;
	x->gone = found == -EIDRM || (found < 0 && now - x->gone_ns > GONE_NS) ? -EIDRM : 0;
	if (x->gone) /* what has no name any more has its memory from handles alone */
		rdx_tables_close(&x->tables);
	return x->gone;
}

static int is_alive(const struct rdx_index *x, uint64_t now)
{
	uint64_t heartbeat = rdx_word_load(&x->lookup.live->heartbeat_ns);
	uint64_t shared = rdx_shared_clock_from(now);

	return heartbeat >= shared || shared - heartbeat <= SUSPECT_NS;
}

/* The shared clock at `now`, or later where a rank was seen since. Where it still was not, the clocks
 * differ: the kernel may say by now how much, else the rank is STALE. */
static uint64_t shared_now(struct rdx_index *x, uint64_t now, uint64_t seen_ns)
{
	if (seen_ns <= rdx_shared_clock_from(now))
		return rdx_shared_clock_from(now);
	now = rdx_clock_ns();
	if (seen_ns > rdx_shared_clock_from(now) && now >= x->learn_ns) {
		x->learn_ns = now + CHECK_EVERY_NS;
		(void)rdx_shared_clock_learn();
	}
	return rdx_shared_clock_from(now);
}

/* Move to a successor's file, if there is one. System calls only if it has set the mark, which it
 * does when its file has the name (G3), or if the heartbeat is old; if there is none, the old one is
 * used for a while, STALE. -EIDRM. */
static int follow(struct rdx_index *x, uint64_t now)
{
	int marked = rdx_generation_superseded(x->lookup.live), r;

	if (!marked && is_alive(x, now))
		return x->gone = 0;
	if (now < (marked ? x->retry_ns : x->check_ns))
		return x->gone;
	x->check_ns = now + CHECK_EVERY_NS;
	(void)rdx_shared_clock_learn(); /* perhaps it is this process that was away */
	r = look_for_successor(x);
	if (marked && r < 0)
		x->retry_ns = now + CHECK_EVERY_NS; /* removed, or not readable */
	return judge(x, r, now);
}

/* Is a page missing, or was one when it was read? What reads as zeros in the page where a file was cut
 * is not seen by itself, but the last page is gone then: tmpfs takes pages away before it writes zeros. An
 * answer ends with a look at the version, whose fence (V1) stands before this one. */
static int is_cut(const struct rdx_index *x, const struct rdx_mapping *mapping)
{
	const struct rdx_index_end *end;

	if (!mapping->base) /* the handle has let go of it */
		return rdx_mapping_poisoned(mapping);
	end = rdx_index_end_of(mapping->base, mapping->bytes);
	return rdx_word_load(&end->writer_id) != x->writer_id || rdx_mapping_poisoned(mapping);
}

int rdx_index_poisoned(const struct rdx_index *x)
{
	return is_cut(x, &x->ctl[x->ctl_now]) || is_cut(x, &x->tables.current->mapping);
}

/* The table is no longer the current one: take that. -ENOENT means that it has changed again, or
 * that its writer is dead and a successor has removed it. */
static int remap(struct rdx_index *x)
{
	int r = switch_table(x, x->lookup.live, x->writer_id);

	if (r == -ENOENT) {
		r = map_index(x);
		r = r == -ENOENT || r == -ESTALE ? 0 : r;
	}
	return r;
}

static int look_up(struct rdx_index *x, struct rdx_keys *keys)
{
	uint32_t maps = 0;

	for (uint32_t try = 0; try < TRIES;) {
		/* a handle that has let go of its tables has none, whatever number the file says */
		int r = x->tables.current->mapping.base ? rdx_lookup_attempt(&x->lookup, keys)
							: -ESTALE;

		if (rdx_index_poisoned(x))
			return -EBADMSG;
		if (r == 0)
			return 0;
		if (r == -ESTALE && maps++ < MAP_TRIES) {
			r = remap(x);
			if (r < 0)
				return r;
			continue;
		}
		try++;
		cpu_pause();
	}
	return -EAGAIN;
}

void rdx_index_force_scan(struct rdx_index *x, int scan)
{
	x->lookup.force_scan = scan != 0;
	x->lookup.cached = 0;
}

/* An entry as it was at one instant. -EAGAIN. */
static int read_entry(const struct rdx_index_entry *entry, uint64_t *ret_counter,
		      struct rdx_index_rank *ret_info)
{
	for (uint32_t try = 0; try < TRIES; try++) {
		uint64_t sequence = rdx_entry_sequence(entry);
		uint64_t instance[RDX_TEXT_BYTES / sizeof(uint64_t)];

		ret_info->worker_id = rdx_word_load(&entry->worker_id);
		ret_info->dp_rank = (uint32_t)rdx_word_load(&entry->dp_rank);
		rdx_words_load(ret_counter, entry->counter, RDX_ENTRY_BLOCKS);
		RDX_HOOK(RDX_HOOK_ENTRY_READ);
		rdx_words_load(ret_counter + RDX_ENTRY_BLOCKS, entry->counter + RDX_ENTRY_BLOCKS,
			       RDX_ENTRY_COUNTERS - RDX_ENTRY_BLOCKS);
		rdx_words_load(instance, entry->instance, RDX_TEXT_BYTES / sizeof(uint64_t));
		if (rdx_entry_same(entry, sequence)) {
			memcpy(ret_info->instance, instance, RDX_TEXT_BYTES);
			ret_info->instance[RDX_TEXT_BYTES - 1] = 0;
			return 0;
		}
		cpu_pause();
	}
	return -EAGAIN;
}

/* Copy a rank's instance. -EAGAIN: it is not of the rank's epoch, since that is just beginning. */
static int learn_instance(struct rdx_lookup *l, uint32_t seat)
{
	struct rdx_lookup_instance *instance = &l->instance[seat];
	uint64_t epoch = l->rank[seat].epoch, counter[RDX_ENTRY_COUNTERS];
	struct rdx_index_rank info;

	if (instance->epoch == epoch)
		return 0;
	*instance = (struct rdx_lookup_instance){.epoch = 0};
	if (read_entry(&l->live->entry[seat], counter, &info) < 0 ||
	    counter[RDX_ENTRY_EPOCH] != epoch)
		return -EAGAIN;
	instance->epoch = epoch;
	memcpy(instance->text, info.instance, RDX_TEXT_BYTES);
	return 0;
}

/* The instances of epochs that are new to this handle: once, for all lookups of the version. */
static void learn_instances(struct rdx_lookup *l)
{
	l->strangers = 0;
	for (uint32_t seat = 0; seat < l->rank_count; seat++)
		l->strangers |= l->rank[seat].has_row && learn_instance(l, seat) < 0;
}

int rdx_index_update(struct rdx_index *x, struct rdx_keys *keys, uint64_t now)
{
	int r = follow(x, now);

	if (r == 0)
		r = look_up(x, keys);
	if (r == 0 && x->lookup.strangers)
		learn_instances(&x->lookup);
	return r;
}

void rdx_index_settle(struct rdx_index *x)
{
	struct rdx_tables_of of = tables_of(x, x->lookup.live, x->writer_id);

	if (!x->gone)
		rdx_tables_step(&x->tables, &of);
}

/* The request in `keys`. */
static int look_up_rows(struct rdx_index *x, struct rdx_run *ret_runs, uint32_t capacity)
{
	uint64_t now = rdx_clock_ns();
	int r = capacity ? rdx_sized_check(ret_runs) : 0;

	if (r == 0)
		r = rdx_index_update(x, &x->keys, now);
	if (r == 0)
		r = rdx_lookup_rows(&x->lookup, shared_now(x, now, x->lookup.newest_ns), ret_runs,
				    capacity);
	rdx_index_settle(x);
	return r;
}

int rdx_index_lookup(struct rdx_index *x, const uint64_t *prefix, uint32_t blocks,
		     struct rdx_run *ret_runs, uint32_t capacity)
{
	rdx_keys_prefix(&x->keys, prefix, blocks);
	return look_up_rows(x, ret_runs, capacity);
}

int rdx_index_lookup_local(struct rdx_index *x, const uint64_t *local, uint32_t blocks,
			   struct rdx_run *ret_runs, uint32_t capacity)
{
	int r = rdx_keys_local(&x->keys, &x->hash_key, local, blocks);

	return r < 0 ? r : look_up_rows(x, ret_runs, capacity);
}

int rdx_index_lookup_tokens(struct rdx_index *x, const struct rdx_tokens *tokens,
			    struct rdx_run *ret_runs, uint32_t capacity)
{
	int r = rdx_keys_tokens(&x->keys, &x->hash_key, tokens, x->id.block_tokens);

	return r < 0 ? r : look_up_rows(x, ret_runs, capacity);
}

static int read_rank(struct rdx_index *x, uint32_t seat, uint64_t now,
		     struct rdx_index_rank *ret_info)
{
	struct rdx_index_rank info = {.size = sizeof(info)};
	uint64_t event_ns = rdx_word_load(&x->lookup.live->pulse[seat].event_ns);
	uint64_t counter[RDX_ENTRY_COUNTERS];
	struct rdx_columns columns;
	int r = read_entry(&x->lookup.live->entry[seat], counter, &info);

	if (r < 0)
		return r;
	now = shared_now(x, now, counter[RDX_ENTRY_SEEN_NS]);
	rdx_column_unpack(rdx_word_load(&x->lookup.live->columns[seat]), &columns);
	info.holes = columns.forced ? (1 << RDX_TIER_COUNT) - 1 : columns.orphans;
	info.age_ns = rdx_lookup_age(now, counter[RDX_ENTRY_SEEN_NS]);
	info.event_age_ns = event_ns ? rdx_lookup_age(now, event_ns) : UINT64_MAX;
	info.state = rdx_lookup_state(counter[RDX_ENTRY_STATE], columns.visible, info.age_ns,
				      x->lookup.stale_after_ns);
	info.epoch = counter[RDX_ENTRY_EPOCH];
	info.last_event_id = counter[RDX_ENTRY_EVENT_ID];
	info.position = counter[RDX_ENTRY_POSITION];
	memcpy(info.blocks, &counter[RDX_ENTRY_BLOCKS], sizeof(info.blocks));
	info.events = counter[RDX_ENTRY_EVENTS];
	info.events_dead = counter[RDX_ENTRY_EVENTS_DEAD];
	info.slots_lost = counter[RDX_ENTRY_SLOTS_LOST];
	memcpy(info.recoveries, &counter[RDX_ENTRY_RECOVERIES], sizeof(info.recoveries));
	info.recovery_ns = counter[RDX_ENTRY_RECOVERY_NS];
	info.cause = (int32_t)(int64_t)counter[RDX_ENTRY_CAUSE];
	*ret_info = info;
	return 0;
}

static uint32_t rank_count(const struct rdx_index *x)
{
	uint64_t count = rdx_word_load(&x->lookup.live->rank_count);

	return count < RDX_RANKS_MAX ? (uint32_t)count : RDX_RANKS_MAX;
}

int rdx_index_ranks(struct rdx_index *x, struct rdx_index_rank *ret_ranks, uint32_t capacity)
{
	uint64_t now = rdx_clock_ns(), size = 0;
	uint32_t count;
	int r;

	if (capacity) {
		r = rdx_sized_check(ret_ranks);
		if (r < 0)
			return r;
		size = ret_ranks->size;
	}
	r = follow(x, now);
	if (r < 0)
		return r;
	count = rank_count(x);
	if (count > capacity)
		return rdx_index_poisoned(x) ? -EBADMSG : -ENOSPC;
	for (uint32_t seat = 0; seat < count; seat++) {
		r = read_rank(x, seat, now, &x->ranks[seat]);
		if (rdx_index_poisoned(x))
			return -EBADMSG;
		if (r < 0)
			return r;
	}
	for (uint32_t seat = 0; seat < count; seat++)
		rdx_sized_fill((uint8_t *)ret_ranks + seat * size, size, &x->ranks[seat],
			       sizeof(x->ranks[seat]));
	return (int)count;
}
