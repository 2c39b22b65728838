// SPDX-License-Identifier: Apache-2.0

// The same as c/client.c, by cgo.
package main

// #cgo pkg-config: ringdex
// #include <stdlib.h>
// #include <ringdex/rdx_index.h>
// #include <ringdex/rdx_indexer.h>
// #include <ringdex/rdx_publisher.h>
// #include <ringdex/rdx_version.h>
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"
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
	var pin runtime.Pinner // what a structure points to must not move
	defer pin.Unpin()
	pin.Pin(&names[0])
	pin.Pin(&tokens[0])
	stored := C.struct_rdx_stored{
		size: C.sizeof_struct_rdx_stored, names: unsafe.Pointer(&names[0]),
		tokens: &tokens[0], token_count: C.uint64_t(len(tokens)), count: 3, name_bytes: 8,
	}
	check(C.rdx_publish_stored(publisher, &stored) == 0, "stored")
	removed := C.struct_rdx_removed{
		size: C.sizeof_struct_rdx_removed, names: unsafe.Pointer(&names[2]),
		count: 1, name_bytes: 8,
	}
	check(C.rdx_publish_removed(publisher, &removed) == 0, "removed")
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
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&tokens[0])
	request := C.struct_rdx_tokens{
		size: C.sizeof_struct_rdx_tokens, ids: &tokens[0], count: C.uint64_t(len(tokens)),
	}
	var index *C.struct_rdx_index
	for rows := C.int(0); rows != 1 || runs[0].last_event_id < 2 ||
		runs[0].state != C.RDX_STATE_EXACT; {
		if C.rdx_indexer_poll(indexer, 0) == 0 {
			C.rdx_indexer_wait(indexer, 1000000)
		}
		if index == nil && C.rdx_index_open(&index, dir, &key) < 0 {
			continue
		}
		rows = C.rdx_index_lookup_tokens(index, &request, &runs[0], C.uint32_t(len(runs)))
	}
	check(runs[0].worker_id == 7 && runs[0].blocks[C.RDX_TIER_DEVICE] == 2, "two blocks")
	check(C.GoString(runs[0].instance) == "http://client:1", "instance")
	C.rdx_index_close(index)
	C.rdx_indexer_close(indexer)
	C.rdx_publisher_close(publisher)
	fmt.Println("ok")
}
