/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/inspect/sighting.h"

#include "consumer/reader/reader.h"
#include "consumer/reader/recovery.h"
#include "shm/clock.h"
#include "shm/lock.h"
#include "shm/namespace.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 64

/* What is wrong with the header that these bytes of the file begin with. */
static void diagnose_header(const struct rdx_segment_header *header, uint64_t file_bytes,
			    const struct space *space, char *ret_reason)
{
	if (header->magic == 0)
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "its header is empty: it was never finished");
	else if (header->magic != RDX_SEGMENT_MAGIC)
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "it is not a segment: it does not begin like one");
	else if (header->format_version != RDX_SEGMENT_VERSION)
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "format version %" PRIu32 "; this ringdex reads "
			 "version %d: use the version its worker uses",
			 header->format_version, RDX_SEGMENT_VERSION);
	else if (header->features_incompat & ~RDX_SEGMENT_INCOMPAT_KNOWN)
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "it uses features (0x%" PRIx64 ") that this "
			 "ringdex does not know: use the version its worker uses",
			 header->features_incompat & ~RDX_SEGMENT_INCOMPAT_KNOWN);
	else if (header->layout_fingerprint != RDX_SEGMENT_FINGERPRINT)
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "it has another layout (fingerprint 0x%" PRIx64 ")",
			 header->layout_fingerprint);
	else if (header->file_bytes > file_bytes)
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "truncated: %" PRIu64 " of its %" PRIu64 " bytes are there", file_bytes,
			 header->file_bytes);
	else if (header->hash_scheme != RDX_HASH_SCHEME)
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "hash scheme %" PRIu32 "; this ringdex knows %d", header->hash_scheme,
			 RDX_HASH_SCHEME);
	else if (header->key_fingerprint != space->key.fingerprint)
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "made with another key than %s/key: restart its "
			 "worker",
			 space->dir);
	else
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "its header contradicts itself, or its clear "
			 "file is missing: restart its worker");
}

const char *sighting_diagnose(const struct space *space, const struct rank_name *name, int error,
			      char *ret_reason)
{
	struct rdx_segment_header header;
	char path[RDX_NAME_BYTES];
	struct stat st;
	ssize_t got = 0;
	int fd;

	if (name->error) {
		snprintf(ret_reason, SIGHTING_REASON_BYTES, "cannot look into its directory: %s",
			 messages_explain(name->error));
		return ret_reason;
	}
	if (space->key_error) {
		snprintf(ret_reason, SIGHTING_REASON_BYTES, "%s/key cannot be read: %s", space->dir,
			 strerror(-space->key_error));
		return ret_reason;
	}
	snprintf(ret_reason, SIGHTING_REASON_BYTES, "%s", messages_explain(error));
	if (error != -EBADMSG && error != -EPROTONOSUPPORT && error != -EKEYREJECTED)
		return ret_reason;
	rdx_namespace_segment(name->worker_id, name->dp_rank, path);
	fd = openat(space->dir_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return ret_reason;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		snprintf(ret_reason, SIGHTING_REASON_BYTES, "it is not a regular file");
	else
		got = pread(fd, &header, sizeof(header), 0);
	close(fd);
	if (got == (ssize_t)sizeof(header))
		diagnose_header(&header, (uint64_t)st.st_size, space, ret_reason);
	else if (got >= 0 && S_ISREG(st.st_mode))
		snprintf(ret_reason, SIGHTING_REASON_BYTES,
			 "truncated: %zd bytes, less than a header", got);
	return ret_reason;
}

/* Does a running process hold the file's lock? Asked of the file, not of a mapping. */
static int file_is_held(const struct space *space, const struct rank_name *name)
{
	char path[RDX_NAME_BYTES];
	int fd, held;

	rdx_namespace_segment(name->worker_id, name->dp_rank, path);
	fd = openat(space->dir_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	held = rdx_lock_held(fd) != 0;
	close(fd);
	return held;
}

/* How long ago was the newest event made? Read last: it moves the cursor. */
static uint64_t silence_ns(struct rdx_reader *reader, uint64_t last_event_id)
{
	struct rdx_range range = {.size = sizeof(range)};
	struct rdx_event event = {.size = sizeof(event)};
	uint64_t now = rdx_clock_ns();

	if (last_event_id == 0 ||
	    rdx_reader_range(reader, rdx_reader_info(reader)->epoch, last_event_id, last_event_id,
			     &range) < 0 ||
	    range.outcome != RDX_RANGE_EVENTS || rdx_reader_seek(reader, &range.start) < 0)
		return UINT64_MAX;
	if (rdx_reader_next(reader, &event) != 1 || !event.time_ns || event.time_ns > now)
		return UINT64_MAX;
	return now - event.time_ns;
}

/* What its producer says of it, besides events. */
static int copy_said(const struct rdx_reader *reader, uint64_t *ret_counters,
		     struct rdx_source *ret_source)
{
	for (unsigned int i = 0; i < RDX_COUNTER_COUNT; i++)
		ret_counters[i] = rdx_word_load(&reader->view.live->counters[i]);
	ret_source->size = sizeof(*ret_source);
	return rdx_reader_get_source(reader, ret_source);
}

uint64_t sighting_source_age(uint64_t time_ns)
{
	uint64_t now = rdx_clock_ns();

	return time_ns && time_ns <= now ? now - time_ns : UINT64_MAX;
}

/* The words that change, as they are at this moment. */
static int inspect_live(struct rdx_reader *reader, struct sighting *sighting)
{
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = rdx_recovery_newest(reader, &sighting->last_event_id, &sighting->end_position);
	if (r == 0)
		r = rdx_recovery_barrier(reader, &sighting->barrier_position,
					 &sighting->barrier_event_id);
	if (r < 0)
		return r;
	sighting->has_barrier = r;
	r = copy_said(reader, sighting->counters, &sighting->source);
	sighting->silent_ns = silence_ns(reader, sighting->last_event_id);
	return r < 0 || !rdx_reader_poisoned(reader) ? r : -EBADMSG;
}

static int has_segment(const struct space *space, const struct rank_name *name)
{
	char path[RDX_NAME_BYTES];

	rdx_namespace_segment(name->worker_id, name->dp_rank, path);
	return faccessat(space->dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int sighting_open(const struct space *space, const struct rank_name *name,
		  struct rdx_reader **ret_reader)
{
	if (name->error)
		return name->error;
	if (space->key_error == -ENOENT)
		return has_segment(space, name) ? -EKEYREJECTED : -ENOENT;
	if (space->key_error)
		return space->key_error;
	return rdx_reader_open_at(ret_reader, space->dir_fd, &space->key, name->worker_id,
				  name->dp_rank);
}

int sighting_counters(const struct space *space, const struct rank_name *name, uint64_t epoch,
		      uint64_t ret_counters[RDX_COUNTER_COUNT], struct rdx_source *ret_source)
{
	uint64_t counters[RDX_COUNTER_COUNT];
	struct rdx_source source;
	struct rdx_reader *reader;
	int r = sighting_open(space, name, &reader);

	if (r < 0)
		return r;
	r = rdx_reader_info(reader)->epoch == epoch ? copy_said(reader, counters, &source)
						    : -ESTALE;
	rdx_reader_close(reader);
	if (r < 0)
		return r;
	memcpy(ret_counters, counters, sizeof(counters));
	*ret_source = source;
	return 0;
}

void sighting_say_error(const struct space *space, const struct rank_name *name, int error)
{
	char rank[RANKS_TEXT_BYTES], reason[SIGHTING_REASON_BYTES];

	ranks_name_text(name, rank);
	if (error == -ENOENT)
		messages_say("no segment of %s in %s: " RANKS_SEE_LS, rank, space->dir);
	else
		messages_say("cannot read %s: %s", rank,
			     sighting_diagnose(space, name, error, reason));
}

int sighting_look(const struct space *space, const struct rank_name *name,
		  struct sighting *ret_sighting)
{
	struct sighting sighting = {.name = *name};
	struct rdx_reader *reader = NULL;
	int r = sighting_open(space, name, &reader);

	if (r == -ENOENT)
		return r;
	if (r == 0) {
		sighting.info = *rdx_reader_info(reader);
		sighting.clear_scope_worker = sighting.info.clear_id != 0;
		sighting.alive = rdx_reader_alive(reader) != 0; /* an error is no death */
		sighting.state = sighting.alive ? SIGHTING_LIVE : SIGHTING_DEAD;
		r = inspect_live(reader, &sighting);
		rdx_reader_close(reader);
	}
	if (r < 0) {
		sighting = (struct sighting){.name = *name,
					     .state = SIGHTING_UNREADABLE,
					     .alive = !name->error && file_is_held(space, name),
					     .error = r};
		sighting_diagnose(space, name, r, sighting.reason);
	}
	*ret_sighting = sighting;
	return 0;
}
