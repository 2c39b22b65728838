/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What calls answer: named tuples for rows, dicts for counters.
 */
#ifndef ROWS_H
#define ROWS_H

#include "python/ext/module.h"

#include <ringdex/rdx_engine.h>
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>
#include <ringdex/rdx_reader.h>

/* Make the types and add them to the module. -1 with an exception. */
int rows_start(PyObject *module);

/* All: a new reference, or NULL with an exception. */
PyObject *rows_run(const struct rdx_run *run);
PyObject *rows_worker(const struct rdx_index_rank *rank);
PyObject *rows_difference(const struct rdx_difference *difference);
PyObject *rows_cursor(const struct rdx_cursor *cursor);
PyObject *rows_event(const struct rdx_event *event);
PyObject *rows_recovery(const struct rdx_recovery *recovery);

/* 64-bit numbers that are read in place: a memoryview of the format "Q". */
PyObject *rows_hashes(const uint64_t *hashes, uint64_t count);

PyObject *rows_publisher_stats(const struct rdx_publisher_stats *stats);
PyObject *rows_engine_stats(const struct rdx_engine_stats *stats);
PyObject *rows_indexer_stats(const struct rdx_indexer_stats *stats);
PyObject *rows_reader_stats(const struct rdx_reader_stats *stats);
PyObject *rows_rank_info(const struct rdx_rank_info *info);

/* A cursor that rows_cursor made. 0 with an exception. */
int rows_take_cursor(PyObject *from, struct rdx_cursor *ret_cursor);

#endif
