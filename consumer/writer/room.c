/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer/writer/room.h"
#include "consumer/writer/writer_state.h"

#define STEP_PERCENT   400 /* of the living: for no more, except for what recoveries bring */
#define FULL_TIMES     16  /* the living: so far is believed that full ranks share as they do now */
#define NARROW_PERCENT 88  /* of what a table is made for: 25 bytes a block instead of 22 */
#define RISEN_PERCENT  106 /* of what lived when a period began: ranks are filling up */
#define PERIOD_NS      UINT64_C(10000000000)
#define BELIEVED_MAX   (UINT64_C(1) << 24) /* blocks to come; of more, a table grows as they do */

static uint64_t least_of(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t blocks_of(const struct rdx_index_writer *w, const uint16_t *columns)
{
	uint64_t blocks = 0;

	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		blocks += columns[tier] == RDX_COLUMN_NONE ? 0 : w->columns.blocks[columns[tier]];
	return blocks;
}

void rdx_room_look(const struct rdx_index_writer *w, struct rdx_room *ret_room)
{
	struct rdx_room room = {.least = w->blocks_min,
				.living = rdx_writer_living(&w->tables[w->current_table])};

	for (uint32_t seat = 0; seat < RDX_RANKS_MAX && w->rank[seat].known; seat++) {
		const struct rdx_writer_rank *rank = &w->rank[seat];
		uint64_t built = blocks_of(w, rank->build);

		room.held += built + blocks_of(w, rank->shown);
		room.coming += rank->coming > built ? rank->coming - built : 0;
		room.declared += rank->state == RDX_STATE_GONE ? 0 : rank->declared;
	}
	*ret_room = room;
}

/* Keys of so many blocks, if they are shared as those that are held. Keys of columns that are not
 * swept live as well, so they may be more than blocks. */
static uint64_t keys_of(const struct rdx_room *room, uint64_t blocks)
{
	if (room->held <= room->living)
		return blocks;
	return (uint64_t)((double)blocks * (double)room->living / (double)room->held);
}

uint64_t rdx_room_recovered(const struct rdx_room *room)
{
	return keys_of(room, room->held + least_of(room->coming, BELIEVED_MAX));
}

uint64_t rdx_room_next(const struct rdx_room *room)
{
	uint64_t step = room->living * STEP_PERCENT / 100;
	uint64_t full = keys_of(room, room->declared);
	uint64_t next = full <= room->living * FULL_TIMES ? full : step;

	next = most_of(next, room->living);
	return most_of(most_of(next, rdx_room_recovered(room)), room->least);
}

void rdx_room_begin(struct rdx_index_writer *w)
{
	uint64_t living = rdx_writer_living(&w->tables[w->current_table]);

	w->past = (struct rdx_room_past){w->beat_ns, living, living};
}

uint64_t rdx_room_narrow(struct rdx_index_writer *w, uint64_t made_for)
{
	struct rdx_room_past *past = &w->past;
	struct rdx_room room;
	uint64_t keys;
	int rises;

	past->most = most_of(past->most, rdx_writer_living(&w->tables[w->current_table]));
	if (w->beat_ns - past->since_ns < PERIOD_NS)
		return 0;
	rises = past->most * 100 > past->first * RISEN_PERCENT;
	rdx_room_look(w, &room);
	keys = most_of(most_of(past->most, rdx_room_recovered(&room)), room.least);
	rdx_room_begin(w);
	return !rises && keys * 100 < made_for * NARROW_PERCENT ? keys : 0;
}
