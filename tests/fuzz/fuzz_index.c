/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the files of an index as a lookup sees them. A real index, of which any word may be
 * changed before it is opened and between any two calls, and which may be cut; with a second table,
 * so that a changed generation leads somewhere. Every call answers what its contract names, no row
 * has more blocks than were asked for, and no more rows are written than there is room for.
 */
#include "consumer/index/index_handle.h"
#include "shm/file.h"
#include "shm/guard.h"
#include "tests/fuzz/hostile.h"
#include "tests/fuzz/served.h"

#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define WORKERS   3
#define BLOCKS    40 /* of the prompt that all have, more or less of it */
#define OPS_MAX   48
#define WALKS_MAX 1 /* a run: they read the whole table, often again and again */
#define TABLES    2
#define LOST_MAX  1 /* a run: it is looked for 64 times */
#define KERNEL_ONE_IN                                                                              \
	16 /* inputs: of the others, the files are served from memory, and never cut */
#define STALE_AFTER (UINT64_C(1) << 60)

/* A file, as it was made. */
struct file {
	struct served served;
	char name[RDX_NAME_BYTES];
	uint8_t *made;
	uint8_t *bytes;
	uint64_t count;
	uint64_t left; /* after it was cut */
	int fd;
};

static struct fuzz_place place;
static struct rdx_publisher *publishers[WORKERS];
static struct file ctl, tables[TABLES];
static uint64_t locals[BLOCKS], prefixes[BLOCKS];
static uint32_t lines_of_keys[BLOCKS]; /* where the table has them */
static struct rdx_run runs[RDX_RANKS_MAX];
static uint64_t sum;

/* A handle opened before any word was changed, served and not, and what it was then. */
static struct kept {
	struct rdx_index *index;
	struct rdx_index opened;
} kept[2];

struct run {
	struct fuzz_input in;
	struct rdx_index *index;
	struct kept *kept; /* NULL: the handle is this run's */
	int is_served;
	uint32_t walks;
	uint32_t lost; /* calls that looked for a table that is not there */
};

static struct rdx_index_live *live(void)
{
	return &((struct rdx_index_ctl *)ctl.bytes)->live;
}

static void publish_some(uint32_t number)
{
	struct rdx_publisher_options options = {
		.size = sizeof(options),
		.dir = place.dir,
		.instance = "worker",
		.model = HOSTILE_MODEL,
		.worker_id = 1 + number,
		.ring_slots = RDX_RING_SLOTS_MIN,
		.tier_blocks = {BLOCKS, BLOCKS},
		.remembered_names = 64,
	};
	uint64_t names[BLOCKS];
	struct rdx_stored stored = {.size = sizeof(stored),
				    .names = names,
				    .local_hashes = locals,
				    .count = BLOCKS / (1 + number),
				    .name_bytes = 8};
	struct rdx_removed removed = {
		.size = sizeof(removed), .names = &names[3], .count = 1, .name_bytes = 8};

	for (uint64_t i = 0; i < BLOCKS; i++)
		names[i] = i + 1;
	FUZZ_CHECK(rdx_publisher_open(&publishers[number], &options) == 0);
	FUZZ_CHECK(rdx_publish_stored(publishers[number], &stored) == 0);
	stored.tier = 1;
	stored.count = 10;
	FUZZ_CHECK(rdx_publish_stored(publishers[number], &stored) == 0);
	if (number == 1)
		FUZZ_CHECK(rdx_publish_removed(publishers[number], &removed) == 0);
}

static void open_index(struct rdx_index **ret_index)
{
	struct rdx_index_key key = {.size = sizeof(key), .model = HOSTILE_MODEL};
	int r = rdx_index_open(ret_index, place.dir, &key);

	FUZZ_ALLOWED(r, -ENOENT, -ESRCH, -EAGAIN, -EBADMSG, -EPROTONOSUPPORT, -EKEYREJECTED);
	if (r < 0)
		*ret_index = NULL;
}

static void make_file(struct file *file, const char *name, uint8_t *bytes, uint64_t count)
{
	unlinkat(place.dir_fd, name, 0);
	file->made = bytes;
	file->count = file->left = count;
	file->bytes = fuzz_file_map(&place, name, count, &file->fd);
	memcpy(file->bytes, bytes, count);
	strcpy(file->name, name);
	file->served = (struct served){file->name, file->bytes, count, 0};
	FUZZ_CHECK(rdx_file_inode(file->fd, &file->served.inode) == 0);
	served_add(&file->served);
}

/* The same of a control file and of a table, which say which file they are. */
static void make_ctl(const char *name, uint8_t *bytes, uint64_t count)
{
	make_file(&ctl, name, bytes, count);
	((struct rdx_index_header *)bytes)->inode = ctl.served.inode;
	memcpy(ctl.bytes, bytes, count);
}

static void make_table(struct file *file, const char *name, uint8_t *bytes, uint64_t count)
{
	struct rdx_table_header *header = (struct rdx_table_header *)bytes;

	make_file(file, name, bytes, count);
	header->inode = file->served.inode;
	memcpy(file->bytes, bytes, count);
}

/* What an indexer made, without the indexer, and a copy of its table under the next number. */
static void take_index(void)
{
	struct rdx_index_id id;
	char name[RDX_NAME_BYTES];
	uint64_t count, generation;
	uint8_t *bytes, *copy;

	FUZZ_CHECK(rdx_index_file_id(HOSTILE_MODEL, NULL, 0, &id) == 0);
	rdx_index_file_ctl_name(&id, 0, name);
	bytes = fuzz_file_read(&place, name, &count);
	((struct rdx_index_header *)bytes)->stale_after_ns = STALE_AFTER;
	((struct rdx_index_ctl *)bytes)->live.superseded = 0;
	generation = ((struct rdx_index_ctl *)bytes)->live.generation;
	make_ctl(name, bytes, count);
	rdx_index_file_gen_name(&id, generation, name);
	bytes = fuzz_file_read(&place, name, &count);
	make_table(&tables[0], name, bytes, count);
	copy = fuzz_pages(count);
	memcpy(copy, bytes, count);
	((struct rdx_table_header *)copy)->generation = generation + 1;
	rdx_index_file_gen_name(&id, generation + 1, name);
	make_table(&tables[1], name, copy, count);
}

/* By what the lines say, however a key comes to its line. */
static uint32_t line_of(uint64_t key)
{
	const struct rdx_table_header *header = (const struct rdx_table_header *)tables[0].made;
	const struct rdx_line *lines =
		(const struct rdx_line *)(tables[0].made + RDX_TABLE_LINES_OFFSET);

	for (uint32_t i = 0; i < header->lines + RDX_PROBE_LINES_MAX; i++) {
		for (uint32_t slot = 0; slot < RDX_LINE_SLOTS; slot++) {
			if (lines[i].key[slot] == key)
				return i;
		}
	}
	return 0;
}

void fuzz_setup(void)
{
	struct rdx_indexer_options options = {.size = sizeof(options), .initial_blocks = 1};
	struct rdx_indexer *indexer;

	fuzz_place_make(&place);
	for (uint32_t i = 0; i < BLOCKS; i++)
		locals[i] = hostile_local(i + 1);
	rdx_hash_chain(&place.key, 0, locals, BLOCKS, prefixes);
	for (uint32_t i = 0; i < WORKERS; i++)
		publish_some(i);
	options.dir = place.dir;
	options.wait_mode = RDX_WAIT_EPOLL;
	FUZZ_CHECK(rdx_indexer_open(&indexer, &options) == 0);
	for (uint32_t i = 0; i < 64; i++) {
		fuzz_now_ns += 50000000;
		FUZZ_CHECK(rdx_indexer_poll(indexer, 0) >= 0);
	}
	take_index();
	rdx_indexer_close(indexer);
	for (uint32_t i = 0; i < BLOCKS; i++)
		lines_of_keys[i] = line_of(prefixes[i]);
	FUZZ_CHECK(rdx_guard_install() == 0);
}

void fuzz_fresh(void)
{
}

size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	(void)capacity;
	return fuzz_seed_bytes(number, ret_bytes, 8, 300);
}

static void restore_file(struct file *file)
{
	if (file->left == file->count)
		return;
	FUZZ_CHECK(ftruncate(file->fd, (off_t)file->count) == 0);
	memcpy(file->bytes, file->made, file->count);
	file->left = file->count;
}

static void restore(void)
{
	restore_file(&ctl);
	restore_file(&tables[0]);
	restore_file(&tables[1]);
	rdx_word_store(&live()->heartbeat_ns, fuzz_now_ns);
}

static int is_cut(void)
{
	return ctl.left != ctl.count || tables[0].left != tables[0].count ||
	       tables[1].left != tables[1].count;
}

/* A word of the control file. */
static uint64_t choose_in_ctl(uint8_t where, uint8_t which)
{
	static const uint16_t words[] = {
		offsetof(struct rdx_index_live, generation),
		offsetof(struct rdx_index_live, next),
		offsetof(struct rdx_index_live, superseded),
		offsetof(struct rdx_index_live, rank_count),
		offsetof(struct rdx_index_live, heartbeat_ns),
		offsetof(struct rdx_index_live, version),
		offsetof(struct rdx_index_live, columns),
		offsetof(struct rdx_index_live, columns) + 8,
	};
	static const struct {
		uint32_t at;
		uint16_t bytes; /* of one rank */
	} parts[] = {
		{offsetof(struct rdx_index_live, columns), 8},
		{offsetof(struct rdx_index_live, event_id), 8},
		{offsetof(struct rdx_index_live, pulse), sizeof(struct rdx_index_pulse)},
		{offsetof(struct rdx_index_live, identity), sizeof(struct rdx_index_identity)},
		{offsetof(struct rdx_index_live, entry), 40 * 8},
	};
	uint64_t base = offsetof(struct rdx_index_ctl, live);

	if (where < 16)
		return which % (sizeof(struct rdx_index_header) / 8) * 8;
	if (where < 80)
		return base + words[which % 8];
	where = where % (sizeof(parts) / sizeof(*parts));
	return base + parts[where].at +
	       (which % 4 * (where == 4 ? sizeof(struct rdx_index_entry) : parts[where].bytes)) +
	       (which >> 2) % (parts[where].bytes / 8) * 8;
}

/* A word of a table: header, a line with a key of the prompt or near it, a set. */
static uint64_t choose_in_table(uint8_t where, uint8_t which)
{
	const struct rdx_table_header *header = (const struct rdx_table_header *)tables[0].made;
	uint64_t line;

	if (where < 16)
		return which % 20 * 8;
	if (where < 64)
		return rdx_index_sets_offset(header->lines) + which * 8;
	line = lines_of_keys[(which >> 3) % BLOCKS] + (where & 1 ? 1 : 0);
	return RDX_TABLE_LINES_OFFSET + line * sizeof(struct rdx_line) + (which & 7) * 8;
}

static _Atomic uint64_t *choose(struct fuzz_input *in)
{
	uint8_t file = fuzz_byte(in), where = fuzz_byte(in), which = fuzz_byte(in);

	if (file < 128)
		return (_Atomic uint64_t *)(ctl.bytes + choose_in_ctl(where, which));
	return (_Atomic uint64_t *)(tables[file >= 224].bytes + choose_in_table(where, which));
}

static void patch(struct fuzz_input *in)
{
	uint8_t when = fuzz_byte(in);
	_Atomic uint64_t *word, *near;
	uint64_t value;

	if (is_cut())
		return;
	word = choose(in);
	near = choose(in);
	value = fuzz_value(in, rdx_word_load(word), rdx_word_load(near));
	if (when < 128)
		fuzz_store(word, value);
	else
		fuzz_store_at_step(when & 31, word, value);
}

static void cut(struct file *file, uint8_t pages)
{
	fuzz_changing_end();
	fuzz_undo();
	file->left = (uint64_t)pages * RDX_INDEX_PAGE % file->count;
	FUZZ_CHECK(ftruncate(file->fd, (off_t)file->left) == 0);
}

/* Has this run looked often enough for a table that is not there, or another control file? */
static int is_too_slow(struct run *run)
{
	const struct rdx_index_live *made = &((const struct rdx_index_ctl *)ctl.made)->live;

	if (is_cut())
		return run->lost++ >= LOST_MAX;
	if (rdx_word_load(&live()->generation) - made->generation < TABLES &&
	    !rdx_word_load(&live()->superseded))
		return 0;
	return run->lost++ >= LOST_MAX;
}

static void look_up(struct run *run, uint8_t how)
{
	uint32_t blocks = fuzz_byte(&run->in) % (BLOCKS + 1);
	uint32_t capacity = how & 1 ? RDX_RANKS_MAX : how >> 4;
	int rows;

	if (is_too_slow(run))
		return;
	runs[0].size = sizeof(runs[0]);
	if (how & 2)
		rows = rdx_index_lookup(run->index, prefixes, blocks, runs, capacity);
	else
		rows = rdx_index_lookup_local(run->index, locals, blocks, runs, capacity);
	FUZZ_ALLOWED(rows, -EIDRM, -ENOSPC, -EAGAIN, -EBADMSG, -ENOENT, -EPROTONOSUPPORT,
		     -EKEYREJECTED);
	FUZZ_CHECK(rows <= (int)capacity);
	for (int i = 0; i < rows; i++) {
		for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
			FUZZ_CHECK(runs[i].blocks[tier] <= blocks);
		FUZZ_CHECK(rdx_state_text(runs[i].state) != NULL);
		sum += strlen(runs[i].instance);
	}
}

static void ask_ranks(struct run *run, uint8_t how)
{
	static struct rdx_index_rank ranks[RDX_RANKS_MAX];
	uint32_t capacity = how & 1 ? RDX_RANKS_MAX : how >> 4;
	int rows;

	ranks[0].size = sizeof(ranks[0]);
	rows = rdx_index_ranks(run->index, ranks, capacity);
	FUZZ_ALLOWED(rows, -EIDRM, -ENOSPC, -EAGAIN, -EBADMSG);
	FUZZ_CHECK(rows <= (int)capacity);
	for (int i = 0; i < rows; i++)
		sum += strlen(ranks[i].instance) + (rdx_state_text(ranks[i].state) == NULL);
}

static void visit(void *context, uint64_t prefix, uint8_t tiers)
{
	(void)context;
	sum += prefix + tiers;
	FUZZ_CHECK(tiers && tiers < 1 << RDX_TIER_COUNT);
}

static void walk(struct run *run, uint8_t how)
{
	struct rdx_index_mark mark = {.size = sizeof(mark)};
	struct rdx_difference difference = {.size = sizeof(difference)};
	int r;

	if (run->walks++ >= WALKS_MAX || is_too_slow(run))
		return;
	if (how < 240)
		r = rdx_index_each(run->index, 1 + (how & 3), 0, visit, NULL, &mark);
	else
		r = rdx_index_verify(run->index, 1 + (how & 3), 0, &difference);
	FUZZ_ALLOWED(r, -EIDRM, -EAGAIN, -ENOENT, -ESTALE, -EBADMSG, -EPROTONOSUPPORT,
		     -EKEYREJECTED);
}

static void act(struct run *run)
{
	uint8_t op = fuzz_byte(&run->in), how = fuzz_byte(&run->in);

	switch (op % 12) {
	case 0:
	case 1:
	case 2:
	case 3:
		patch(&run->in);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		look_up(run, how);
		break;
	case 8:
		ask_ranks(run, how);
		break;
	case 9:
		walk(run, how);
		break;
	case 10:
		if (op & 128)
			rdx_index_force_scan(run->index, how & 1);
		else
			fuzz_now_ns += UINT64_C(1000000) << (how & 15);
		break;
	default:
		if (op >= 240 && !run->is_served)
			cut(how & 1 ? &ctl : &tables[how >> 1 & 1], how >> 2);
	}
}

static int has_moved(const struct kept *of)
{
	const struct rdx_index *x = of->index;

	return rdx_index_poisoned(x) || x->dir_fd != of->opened.dir_fd ||
	       x->ctl_now != of->opened.ctl_now || x->tables.current != of->opened.tables.current ||
	       !x->tables.current->mapping.base || x->tables.next->mapping.base ||
	       x->tables.old->mapping.base;
}

/* The same as a handle that is opened now, where nothing was changed yet. */
static void take_kept(struct run *run, struct kept *of)
{
	if (!of->index) {
		open_index(&of->index);
		FUZZ_CHECK(of->index);
		memcpy(&of->opened, of->index, sizeof(of->opened));
	}
	run->kept = of;
	run->index = of->index;
}

static void leave_kept(struct kept *of)
{
	if (has_moved(of)) {
		rdx_index_close(of->index);
		of->index = NULL;
		return;
	}
	of->opened.keys = of->index->keys; /* its memory may have grown */
	memcpy(of->index, &of->opened, sizeof(of->opened));
}

static void begin(struct run *run)
{
	uint8_t form = fuzz_byte(&run->in);

	restore();
	if (run->is_served)
		served_begin();
	if (form & 0xc0) {
		take_kept(run, &kept[run->is_served]);
		return;
	}
	for (uint8_t patches = form & 3; patches; patches--)
		patch(&run->in);
	open_index(&run->index);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct run run = {.in = {bytes, count}};

	run.is_served = fuzz_touch(bytes, count) % KERNEL_ONE_IN != 0;
	begin(&run);
	fuzz_changing_begin();
	for (uint32_t i = 0; i < OPS_MAX && run.index && run.in.left; i++)
		act(&run);
	fuzz_changing_end();
	if (run.kept)
		leave_kept(run.kept);
	else
		rdx_index_close(run.index);
	served_end();
	fuzz_undo();
	return 0;
}
