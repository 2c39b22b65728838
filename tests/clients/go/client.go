// SPDX-License-Identifier: Apache-2.0

// The same as c/client.c, by cgo.
package main

// #cgo pkg-config: ringdex
// #include <stdlib.h>
// #include <ringdex/rdx_index.h>
// #include <ringdex/rdx_indexer.h>
// #include <ringdex/rdx_publisher.h>
// #include <ringdex/rdx_version.h>
//
// // In C, since a structure of Go's may not point to a slice of Go's.
// static int stored(struct rdx_publisher *publisher, const uint64_t *names, uint32_t count,
//                   const uint32_t *tokens, uint64_t token_count)
// {
//     struct rdx_stored stored = {.size = sizeof(stored), .names = names, .name_bytes = 8,
//                                 .count = count, .tokens = tokens, .token_count = token_count};
//
//     return rdx_publish_stored(publisher, &stored);
// }
//
// static int removed(struct rdx_publisher *publisher, uint64_t name)
// {
//     struct rdx_removed removed = {.size = sizeof(removed), .names = &name, .name_bytes = 8,
//                                   .count = 1};
//
//     return rdx_publish_removed(publisher, &removed);
// }
//
// static int lookup(struct rdx_index *index, const uint32_t *ids, uint64_t count,
//                   struct rdx_run *runs, uint32_t capacity)
// {
//     struct rdx_tokens request = {.size = sizeof(request), .ids = ids, .count = count};
//
//     return rdx_index_lookup_tokens(index, &request, runs, capacity);
// }
import "C"

import (
	"fmt"
	"os"
)

func check(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, "not so:", what)
		os.Exit(1)
	}
}

func publish(dir *C.char, tokens []C.uint32_t) *C.struct_rdx_publisher {
	options := C.struct_rdx_publisher_options{
		size: C.sizeof_struct_rdx_publisher_options, dir: dir, worker_id: 7,
		instance: C.CString("http://client:1"), model: C.CString("model"),
		block_tokens: 4, ring_slots: C.RDX_RING_SLOTS_MIN,
	}
	options.tier_blocks[C.RDX_TIER_DEVICE] = 64
	var publisher *C.struct_rdx_publisher
	check(C.rdx_publisher_open(&publisher, &options) == 0, "publisher opened")

	names := []C.uint64_t{71, 72, 73}
	check(C.stored(publisher, &names[0], 3, &tokens[0], C.uint64_t(len(tokens))) == 0, "stored")
	check(C.removed(publisher, names[2]) == 0, "removed")
	stats := C.struct_rdx_publisher_stats{size: C.sizeof_struct_rdx_publisher_stats}
	check(C.rdx_publisher_get_stats(publisher, &stats) == 0 && stats.events == 2, "two events")
	return publisher
}

func main() {
	dir := C.CString(os.Args[1])
	tokens := []C.uint32_t{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	check(C.GoString(C.rdx_version_text()) == C.RDX_VERSION, "version")
	check(C.rdx_version() == C.RDX_VERSION_MAJOR*1000000+C.RDX_VERSION_MINOR*1000+
		C.RDX_VERSION_PATCH, "version number")
	check(uint64(C.RDX_RING_SLOTS_MAX) == 1<<32, "a constant over 32 bits")

	publisher := publish(dir, tokens)
	options := C.struct_rdx_indexer_options{size: C.sizeof_struct_rdx_indexer_options, dir: dir}
	var indexer *C.struct_rdx_indexer
	check(C.rdx_indexer_open(&indexer, &options) == 0, "indexer opened")
	key := C.struct_rdx_index_key{
		size: C.sizeof_struct_rdx_index_key, model: C.CString("model"), block_tokens: 4,
	}
	runs := make([]C.struct_rdx_run, C.RDX_RANKS_MAX)
	runs[0].size = C.sizeof_struct_rdx_run
	var index *C.struct_rdx_index
	for rows := C.int(0); rows != 1 || runs[0].last_event_id < 2 ||
		runs[0].state != C.RDX_STATE_EXACT; {
		if C.rdx_indexer_poll(indexer, 0) == 0 {
			C.rdx_indexer_wait(indexer, 1000000)
		}
		if index == nil && C.rdx_index_open(&index, dir, &key) < 0 {
			continue
		}
		rows = C.lookup(index, &tokens[0], C.uint64_t(len(tokens)), &runs[0],
			C.uint32_t(len(runs)))
	}
	check(runs[0].worker_id == 7 && runs[0].blocks[C.RDX_TIER_DEVICE] == 2, "two blocks")
	check(C.GoString(runs[0].instance) == "http://client:1", "instance")
	C.rdx_index_close(index)
	C.rdx_indexer_close(indexer)
	C.rdx_publisher_close(publisher)
	fmt.Println("ok")
}
