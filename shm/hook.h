/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named protocol steps, for tests that stop, kill or interleave at one of them. Empty
 * unless RDX_HOOKS is defined.
 */
#ifndef RDX_HOOK_H
#define RDX_HOOK_H

enum rdx_hook_step {
	RDX_HOOK_NONE,
	/* producer, one event */
	RDX_HOOK_LEDGER_DESCRIBED, /* a record is half described, before its event */
	RDX_HOOK_LEDGER_INTENT,    /* intent stored, ledger untouched */
	RDX_HOOK_LEDGER_WORD,      /* one word written, `used` not yet raised */
	RDX_HOOK_LEDGER_ALLOCATED, /* the file is longer, its owner does not use that yet */
	RDX_HOOK_LEDGER_WRITTEN,   /* ledger words written, ring untouched */
	RDX_HOOK_SLOT_BUSY,        /* a slot is marked busy */
	RDX_HOOK_SLOT_HALF,        /* its payload is half written */
	RDX_HOOK_SLOT_WRITTEN,     /* its payload is written, not published */
	RDX_HOOK_SLOT_PUBLISHED,   /* one slot is published */
	RDX_HOOK_EVENT_PUBLISHED,  /* all slots are, tail is not moved */
	RDX_HOOK_TAIL_MOVED,       /* a barrier is not yet named */
	RDX_HOOK_BARRIER_NAMED,
	RDX_HOOK_BELL_CHECK,   /* before the flag is looked at */
	RDX_HOOK_BELL_CLEARED, /* the flag is 0, the word not moved */
	RDX_HOOK_BELL_RUNG,    /* word raised, no sleeper woken yet */
	RDX_HOOK_CLEAR_BUMPED, /* the worker's stamp is raised, no Cleared yet */
	/* producer, opening */
	RDX_HOOK_CLAIM_LOCKED,   /* the rank's lock file is held */
	RDX_HOOK_SEGMENT_FILLED, /* under its temporary name, not locked */
	RDX_HOOK_SEGMENT_BUILT,  /* complete under its temporary name */
	RDX_HOOK_SEGMENT_RENAMED,
	/* whoever finds debris */
	RDX_HOOK_DEBRIS_SEEN, /* it was looked at, under the lock, and is not removed yet */
	/* cleaner */
	RDX_HOOK_REAP_LOCKED,  /* a dead rank's lock is held, or a clear file's */
	RDX_HOOK_REAP_SEGMENT, /* its segment is gone, its lock file is not */
	/* consumer */
	RDX_HOOK_BELL_ARMING,       /* the word was read, the flag is not up */
	RDX_HOOK_READ_WORD,         /* word 0 was read */
	RDX_HOOK_READ_COPIED,       /* payload copied, not validated */
	RDX_HOOK_SCAN_STARTED,      /* ledger: tail noted */
	RDX_HOOK_SCAN_WORD,         /* ledger: a record's word was read, its prefix was not */
	RDX_HOOK_SCAN_CHUNK,        /* ledger: some words copied */
	RDX_HOOK_SCAN_DONE,         /* ledger: words copied, intent not read */
	RDX_HOOK_TABLE_CHOSEN,      /* its generation is known, its file not looked for */
	RDX_HOOK_TABLE_MAPPED,      /* it is mapped, the generation not loaded again */
	RDX_HOOK_LOOKUP_COLUMNS,    /* columns known, pulses not read */
	RDX_HOOK_LOOKUP_PULSES,     /* pulses read, the generation not loaded */
	RDX_HOOK_LOOKUP_SEARCHED,   /* table searched, not scanned, versions not compared */
	RDX_HOOK_LOOKUP_VERSIONS,   /* versions loaded, odd or not */
	RDX_HOOK_LOOKUP_GENERATION, /* the generation is loaded */
	RDX_HOOK_PROBE_LINE,        /* the word of a line was read, its keys not */
	RDX_HOOK_PROBE_SLOT,        /* a key was found, its cell not read */
	RDX_HOOK_PROBE_SET,         /* its set was read, the version not compared */
	RDX_HOOK_LOOKUP_PROBE,      /* one block was looked for */
	RDX_HOOK_WALK_KEY,          /* one key and its columns were read */
	RDX_HOOK_ENTRY_READ,        /* half of an entry was read */
	RDX_HOOK_COLUMN_OPENED,     /* version odd */
	RDX_HOOK_COLUMN_CHANGED,    /* changes made, version still odd */
	RDX_HOOK_COLUMN_CLOSED,
	RDX_HOOK_CELL_KEY,         /* the key of a slot is stored, or dropped */
	RDX_HOOK_CELL_SET,         /* likewise its cell */
	RDX_HOOK_BLOCK_CHANGED,    /* one block is held by a column, or no more */
	RDX_HOOK_ENTRY_HALF,       /* half of an entry is written */
	RDX_HOOK_PULSE_HALF,       /* a new epoch or state is stored, its event id not */
	RDX_HOOK_GENERATION_BUILT, /* table complete, not named */
	RDX_HOOK_GENERATION_NAMED,
	RDX_HOOK_GENERATION_ANNOUNCED,
	RDX_HOOK_INDEX_RENAMED,
	/* the SIGBUS handler */
	RDX_HOOK_GUARD_BASE, /* a guarded mapping's base is read, its length not yet */
	RDX_HOOK_COUNT
};

#ifdef RDX_HOOKS
/* NULL, or called at every step. */
extern void (*rdx_hook_function)(enum rdx_hook_step step);

static inline void rdx_hook(enum rdx_hook_step step)
{
	if (rdx_hook_function)
		rdx_hook_function(step);
}
#define RDX_HOOK(step) rdx_hook(step)
#else
#define RDX_HOOK(step) ((void)0)
#endif

#endif
