/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one worker may take of an indexer: ranks, indexes, bytes, columns; and what all workers of one
 * user may, who can make as many as there are inodes. What is beyond is not followed (-EDQUOT), shown with
 * that cause, and tried again each second as any rank that failed.
 */
#ifndef RDX_LIMITS_H
#define RDX_LIMITS_H

#include "consumer/indexer/indexer_state.h"

/* The defaults where the options say 0. */
void rdx_limits_set(struct rdx_limits *limits, const struct rdx_indexer_options *options);

/* May one more rank of its worker, and of its user, be followed? Asked before anything of it is opened. 0, -EDQUOT. */
int rdx_limits_rank(const struct rdx_indexer *indexer, const struct rdx_rank *rank);

/* May this rank, with what its segment takes? 0, -EDQUOT. */
int rdx_limits_segment(const struct rdx_indexer *indexer, const struct rdx_rank *rank,
		       const struct rdx_rank_info *info);

/* It is followed, and its segment may have become longer: may its worker have so much? 0, -EDQUOT. */
int rdx_limits_grown(const struct rdx_indexer *indexer, struct rdx_rank *rank);

/* May its worker, and its user, have one more index made? One that was made for it, and that no rank feeds
 * any more, is closed for that. 0, -EDQUOT. */
int rdx_limits_index(struct rdx_indexer *indexer, const struct rdx_rank *rank, uint64_t now_ns);

#endif
