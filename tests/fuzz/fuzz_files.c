/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the small files of a namespace and the headers of the large ones, as who opens them
 * sees them: any bytes, any length. An opener takes a file only if it is what the format says, which
 * this target checks by itself, and answers what its contract names otherwise.
 *
 * Of most inputs the file is served from memory; one in KERNEL_ONE_IN is a file that the kernel opens.
 */
#include "consumer/index/index_file.h"
#include "shm/bell_file.h"
#include "shm/clear_file.h"
#include "shm/file.h"
#include "shm/namespace.h"
#include "shm/namespace_layout.h"
#include "shm/segment.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/served.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKER            7
#define MODEL             "model"
#define PATCHES_MAX       8
#define KERNEL_ONE_IN     32
#define SEGMENT_BYTES_MAX (UINT64_C(16) << 10)

enum { KEY, CLEAR, BELL, SEGMENT, CTL, TABLE, FILES };

/* A good one, and what is there now. */
static struct file {
	uint8_t *made;
	uint8_t *mapped;
	uint8_t *memory;
	uint8_t *bytes; /* one of both: what this input changes */
	uint64_t count;
	uint64_t most; /* that the file may be longer */
	uint64_t length;
	struct served served;
	char name[RDX_NAME_BYTES];
	int fd;
} files[FILES];

static struct fuzz_place place;
static struct rdx_index_id id;

/* A key file of its own: the namespace's stays. */
static struct fuzz_place key_place;

static void add_file(uint32_t which, const struct fuzz_place *in, const char *name,
		     const void *content, uint64_t content_bytes, uint64_t count)
{
	struct file *file = &files[which];

	unlinkat(in->dir_fd, name, 0);
	file->count = file->length = count;
	file->most = count + RDX_PAGE_BYTES;
	file->made = fuzz_pages(file->most);
	memcpy(file->made, content, content_bytes);
	file->mapped = fuzz_file_map(in, name, file->most, &file->fd);
	memcpy(file->mapped, file->made, count);
	FUZZ_CHECK(fchmod(file->fd, 0600) == 0 && ftruncate(file->fd, (off_t)count) == 0);
	strcpy(file->name, name);
	file->served.name = file->name;
	FUZZ_CHECK(rdx_file_inode(file->fd, &file->served.inode) == 0);
}

/* All of them as memory, too. */
static void fill_memory(struct file *file)
{
	file->memory = fuzz_pages(file->most);
	memcpy(file->memory, file->made, file->count);
	file->served.bytes = file->memory;
	served_add(&file->served);
}

static void add_segment(void)
{
	struct rdx_segment_spec spec = {
		.worker_id = WORKER,
		.block_tokens = 16,
		.ring_slots = RDX_RING_SLOTS_MIN,
		.ledger_records = 8,
		.tier_blocks = {4, 4},
		.instance = "i",
		.model = MODEL,
	};
	struct rdx_segment_header header;
	char name[RDX_NAME_BYTES];

	FUZZ_CHECK(rdx_segment_plan(&spec, &header) == 0);
	header.magic = RDX_SEGMENT_MAGIC;
	header.key_fingerprint = place.key.fingerprint;
	header.epoch = 1;
	FUZZ_CHECK(header.file_bytes <= SEGMENT_BYTES_MAX);
	rdx_namespace_segment(WORKER, 0, name);
	add_file(SEGMENT, &place, name, &header, sizeof(header), header.file_bytes);
}

static void add_index(void)
{
	struct rdx_index_header header = {
		.magic = RDX_INDEX_MAGIC,
		.format_version = RDX_INDEX_VERSION,
		.header_bytes = sizeof(header),
		.layout_fingerprint = RDX_INDEX_FINGERPRINT,
		.key_fingerprint = place.key.fingerprint,
		.hash_scheme = RDX_HASH_SCHEME,
		.block_tokens = 16,
		.file_bytes = sizeof(struct rdx_index_ctl),
		.writer_id = 3,
		.model = MODEL,
	};
	struct rdx_table_header table = {
		.magic = RDX_TABLE_MAGIC,
		.layout_fingerprint = RDX_INDEX_FINGERPRINT,
		.writer_id = 3,
		.generation = 1,
		.lines = 1,
		.sets = 4,
		.file_bytes = rdx_index_table_bytes(1, 4),
		.secret = {5, 7},
	};
	char name[RDX_NAME_BYTES];

	FUZZ_CHECK(rdx_index_file_id(MODEL, NULL, 16, &id) == 0);
	rdx_index_file_ctl_name(&id, 0, name);
	add_file(CTL, &place, name, &header, sizeof(header), header.file_bytes);
	header.inode = files[CTL].served.inode;
	memcpy(files[CTL].made, &header, sizeof(header));
	memcpy(files[CTL].mapped, &header, sizeof(header));
	rdx_index_file_gen_name(&id, 1, name);
	add_file(TABLE, &place, name, &table, sizeof(table), table.file_bytes);
	table.inode = files[TABLE].served.inode;
	memcpy(files[TABLE].made, &table, sizeof(table));
	memcpy(files[TABLE].mapped, &table, sizeof(table));
}

void fuzz_setup(void)
{
	struct rdx_clear clear = {.magic = RDX_CLEAR_MAGIC, .id = 9, .end = 9};
	struct rdx_bell bell = {.magic = RDX_BELL_MAGIC};
	uint8_t key[RDX_KEY_BYTES] = {1};
	char name[RDX_NAME_BYTES];

	fuzz_place_make(&place);
	fuzz_place_make(&key_place);
	rdx_namespace_worker_dir(WORKER, name);
	FUZZ_CHECK(mkdirat(place.dir_fd, name, 0755) == 0 &&
		   mkdirat(place.dir_fd, "index", 0755) == 0);
	add_file(KEY, &key_place, "key", key, sizeof(key), sizeof(key));
	rdx_namespace_clear(WORKER, name);
	add_file(CLEAR, &place, name, &clear, sizeof(clear), sizeof(clear));
	add_file(BELL, &place, "bell", &bell, sizeof(bell), sizeof(bell));
	add_segment();
	add_index();
	for (uint32_t i = 0; i < FILES; i++)
		fill_memory(&files[i]);
}

void fuzz_fresh(void)
{
}

size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity)
{
	(void)capacity;
	return fuzz_seed_bytes(number, ret_bytes, 2, 60);
}

static void open_key(void)
{
	struct rdx_hash_key key;
	int r = rdx_namespace_key(key_place.dir_fd, 0, &key);

	FUZZ_CHECK(r == (files[KEY].length == RDX_KEY_BYTES ? 0 : -EKEYREJECTED));
}

static void open_clear(void)
{
	const struct file *file = &files[CLEAR];
	struct rdx_clear clear = {0};
	struct rdx_mapping mapping = {.fd = -1};
	int r = rdx_clear_file_open(&mapping, place.dir_fd, WORKER, 0, 0);

	if (file->length == sizeof(clear))
		memcpy(&clear, file->bytes, sizeof(clear));
	FUZZ_ALLOWED(r, -EBADMSG);
	if (!atomic_load(&fuzz_may_change))
		FUZZ_CHECK((r == 0) == (clear.magic == RDX_CLEAR_MAGIC && clear.id != 0 &&
					clear.end == clear.id));
	rdx_mapping_close(&mapping);
}

static void open_bell(void)
{
	const struct file *file = &files[BELL];
	struct rdx_bell bell = {0};
	struct rdx_mapping mapping = {.fd = -1};
	int r = rdx_bell_file_open(&mapping, place.dir_fd, 0);

	if (file->length == sizeof(bell))
		memcpy(&bell, file->bytes, sizeof(bell));
	FUZZ_ALLOWED(r, -EBADMSG);
	if (!atomic_load(&fuzz_may_change))
		FUZZ_CHECK((r == 0) == (bell.magic == RDX_BELL_MAGIC));
	rdx_mapping_close(&mapping);
}

/* A view ends within the file, wherever its header says that things are. */
static void open_segment(void)
{
	struct rdx_segment_view view;
	int r = rdx_segment_join(&view, place.dir_fd, WORKER, 0, &place.key);

	FUZZ_ALLOWED(r, -EBADMSG, -EPROTONOSUPPORT, -EKEYREJECTED);
	if (r < 0)
		return;
	FUZZ_CHECK(view.mapping.bytes <= files[SEGMENT].length);
	FUZZ_CHECK((const uint8_t *)(view.ring.slots + view.ring.mask + 1) <=
		   (const uint8_t *)view.mapping.base + view.mapping.bytes);
	FUZZ_CHECK((const uint8_t *)(view.records + view.header.ledger_records) <=
		   (const uint8_t *)view.mapping.base + view.mapping.bytes);
	FUZZ_CHECK(memchr(view.header.model, 0, RDX_TEXT_BYTES));
	FUZZ_CHECK(memchr(view.header.instance, 0, RDX_TEXT_BYTES));
	rdx_segment_leave(&view);
}

static void open_ctl(void)
{
	struct rdx_mapping mapping = {.fd = -1};
	struct rdx_index_header header;
	int r = rdx_index_file_ctl_map(&mapping, place.dir_fd, &id, &place.key, 0, &header);

	FUZZ_ALLOWED(r, -EBADMSG, -EPROTONOSUPPORT, -EKEYREJECTED);
	FUZZ_CHECK(r < 0 || (mapping.bytes == sizeof(struct rdx_index_ctl) &&
			     files[CTL].length == mapping.bytes && header.writer_id != 0));
	rdx_mapping_close(&mapping);
}

static void open_table(void)
{
	struct rdx_mapping mapping = {.fd = -1};
	struct rdx_table table;
	int r = rdx_index_file_gen_map(&mapping, &table, place.dir_fd, &id, 1, 3);

	FUZZ_ALLOWED(r, -EBADMSG);
	FUZZ_CHECK(r < 0 || (mapping.bytes == files[TABLE].length &&
			     (const uint8_t *)(table.set + table.sets) <=
				     (const uint8_t *)mapping.base + mapping.bytes -
					     sizeof(struct rdx_index_end) &&
			     (const uint8_t *)(table.line + table.lines + RDX_PROBE_LINES_MAX) <=
				     (const uint8_t *)table.set));
	rdx_mapping_close(&mapping);
}

/* Words of the part that is checked, mostly. */
static void patch(struct file *file, struct fuzz_input *in)
{
	uint64_t words = (file->length < 1024 ? file->length : 1024) / 8;
	uint32_t at = (uint32_t)fuzz_number(in, 1) % 128, near = fuzz_byte(in) % 128;
	const uint64_t *made = (const uint64_t *)file->made;
	_Atomic uint64_t *word = (_Atomic uint64_t *)file->bytes;

	if (at < words)
		fuzz_store(&word[at], fuzz_value(in, made[at], near < words ? made[near] : near));
}

/* Mostly a length near the right one. */
static void set_length(struct file *file, uint64_t length)
{
	if (length > file->most)
		length = file->most;
	if (length != file->length && file->bytes == file->mapped)
		FUZZ_CHECK(ftruncate(file->fd, (off_t)length) == 0);
	file->length = length;
}

static void restore(struct file *file)
{
	fuzz_undo();
	if (file->length == file->count)
		return;
	set_length(file, file->count);
	memcpy(file->bytes, file->made, file->count);
}

static void open_it(uint32_t which)
{
	static void (*const open_file[FILES])(void) = {open_key,     open_clear, open_bell,
						       open_segment, open_ctl,   open_table};
	struct file *file = &files[which];

	file->served.length = file->length;
	if (file->bytes == file->memory)
		served_begin();
	fuzz_changing_begin();
	open_file[which]();
	fuzz_changing_end();
	served_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct fuzz_input in = {bytes, count};
	uint8_t form = fuzz_byte(&in);
	struct file *file = &files[form % FILES];

	file->bytes = fuzz_touch(bytes, count) % KERNEL_ONE_IN == 0 ? file->mapped : file->memory;
	if (form >= 224)
		set_length(file, file->count + (uint64_t)(int64_t)(int8_t)fuzz_byte(&in));
	else if (form >= 216)
		set_length(file, fuzz_number(&in, 2));
	for (uint32_t i = 0; i < PATCHES_MAX && in.left; i++)
		patch(file, &in);
	open_it(form % FILES);
	restore(file);
	return 0;
}
