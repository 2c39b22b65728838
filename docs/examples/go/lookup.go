// SPDX-License-Identifier: Apache-2.0

// A router asks who holds the longest prefix of a request, while `ringdex follow DIR` maintains
// the index. Usage: lookup DIR. Prints one line per rank for the prompt of example-publish.
package main

// #cgo pkg-config: ringdex
// #include <stdlib.h>
// #include <ringdex/rdx_index.h>
//
// // In C, since a structure of Go's may not point to a slice of Go's.
// static int lookup(struct rdx_index *index, const uint32_t *ids, uint64_t count,
//                   struct rdx_run *runs, uint32_t capacity)
// {
//     struct rdx_tokens request = {.size = sizeof(request), .ids = ids, .count = count};
//
//     return rdx_index_lookup_tokens(index, &request, runs, capacity);
// }
import "C"

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Index is a handle: open one for each goroutine that asks.
type Index struct {
	handle *C.struct_rdx_index
	runs   []C.struct_rdx_run
}

// Run is what one rank holds of a request.
type Run struct {
	WorkerID, Rank, Blocks uint64
	Instance, State        string
}

// Open waits as long as `patience` for the index: routers may start before workers and indexers.
func Open(dir, model string, blockTokens uint32, patience time.Duration) (*Index, error) {
	cDir, cModel := C.CString(dir), C.CString(model)
	defer C.free(unsafe.Pointer(cDir))
	defer C.free(unsafe.Pointer(cModel))
	key := C.struct_rdx_index_key{
		size: C.sizeof_struct_rdx_index_key, model: cModel, block_tokens: C.uint32_t(blockTokens),
	}
	index := &Index{runs: make([]C.struct_rdx_run, C.RDX_RANKS_MAX)}
	index.runs[0].size = C.sizeof_struct_rdx_run
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.Errno(-C.rdx_index_open(&index.handle, cDir, &key))
		if err == 0 {
			return index, nil
		}
		missing := err == syscall.ENOENT || err == syscall.ESRCH || err == syscall.EAGAIN
		if !missing || time.Now().After(end) {
			return nil, err
		}
	}
}

// MayPass says whether a lookup failed only for now: the index was in the midst of changes, its file was
// damaged or cut, or its indexer has ended (open it again where that stays so). A router routes that request as without an
// index, and asks again with the next one.
func MayPass(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EBADMSG) ||
		errors.Is(err, syscall.EIDRM)
}

// Lookup gives a run of each rank that holds the first block of the prompt.
func (index *Index) Lookup(prompt []uint32) ([]Run, error) {
	if len(prompt) == 0 {
		return nil, nil
	}
	rows := C.lookup(index.handle, (*C.uint32_t)(&prompt[0]), C.uint64_t(len(prompt)),
		&index.runs[0], C.uint32_t(len(index.runs)))
	if rows < 0 {
		return nil, syscall.Errno(-rows)
	}
	runs := make([]Run, rows)
	for i, run := range index.runs[:rows] {
		runs[i] = Run{
			uint64(run.worker_id), uint64(run.dp_rank), uint64(run.blocks[C.RDX_TIER_DEVICE]),
			C.GoString(run.instance), C.GoString(C.rdx_state_text(C.uint8_t(run.state))),
		}
	}
	return runs, nil
}

// Close the handle; it answers nothing any more.
func (index *Index) Close() {
	C.rdx_index_close(index.handle)
	index.handle = nil
}

func run() error {
	index, err := Open(os.Args[1], "example", 4, time.Minute)
	if err != nil {
		return fmt.Errorf("no index: %w", err)
	}
	defer index.Close()
	runs, err := index.Lookup([]uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	if MayPass(err) {
		fmt.Fprintln(os.Stderr, "no answer:", err)
	} else if err != nil {
		return fmt.Errorf("lookup: %w", err)
	}
	for _, run := range runs {
		fmt.Printf("worker %d rank %d at %s holds %d blocks on its device: %s\n",
			run.WorkerID, run.Rank, run.Instance, run.Blocks, run.State)
	}
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: lookup DIR")
		os.Exit(2)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "lookup:", err)
		os.Exit(1)
	}
}
