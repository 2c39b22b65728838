// SPDX-License-Identifier: Apache-2.0
// The same as c/client.c, in C++11 and C++20.
#include <ringdex/rdx_index.h>
#include <ringdex/rdx_indexer.h>
#include <ringdex/rdx_publisher.h>
#include <ringdex/rdx_reader.h>
#include <ringdex/rdx_version.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	std::cerr << "not so: " << what << "\n";
	std::exit(1);
}
#define CHECK(condition) check((condition), #condition)

// A structure that begins with its size, and is 0 otherwise.
template <typename T> static T sized()
{
	T t = T();
	t.size = sizeof(t);
	return t;
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	CHECK(rdx_version() / 1000000 == RDX_VERSION_MAJOR);
	CHECK(std::string(rdx_version_text()) == RDX_VERSION);

	auto options = sized<rdx_publisher_options>();
	options.dir = argv[1];
	options.instance = "http://client:1";
	options.model = "model";
	options.worker_id = 7;
	options.block_tokens = 4;
	options.ring_slots = 64;
	options.tier_blocks[RDX_TIER_DEVICE] = 64;
	rdx_publisher *opened = nullptr;
	CHECK(rdx_publisher_open(&opened, &options) == 0);
	std::unique_ptr<rdx_publisher, decltype(&rdx_publisher_close)> publisher(
		opened, rdx_publisher_close);

	const std::vector<uint32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	const std::vector<uint64_t> names = {71, 72, 73};
	auto stored = sized<rdx_stored>();
	stored.names = names.data();
	stored.tokens = tokens.data();
	stored.token_count = tokens.size();
	stored.count = 3;
	stored.name_bytes = 8;
	CHECK(rdx_publish_stored(publisher.get(), &stored) == 0);
	auto removed = sized<rdx_removed>();
	removed.names = &names[2];
	removed.count = 1;
	removed.name_bytes = 8;
	CHECK(rdx_publish_removed(publisher.get(), &removed) == 0);
	auto stats = sized<rdx_publisher_stats>();
	CHECK(rdx_publisher_get_stats(publisher.get(), &stats) == 0);
	CHECK(stats.events == 2);

	auto indexing = sized<rdx_indexer_options>();
	indexing.dir = argv[1];
	rdx_indexer *indexer = nullptr;
	CHECK(rdx_indexer_open(&indexer, &indexing) == 0);
	auto key = sized<rdx_index_key>();
	key.model = "model";
	key.block_tokens = 4;
	auto request = sized<rdx_tokens>();
	request.ids = tokens.data();
	request.count = tokens.size();
	rdx_index *index = nullptr;
	std::vector<rdx_run> runs(RDX_RANKS_MAX, sized<rdx_run>());
	int rows = 0;
	while (rows != 1 || runs[0].last_event_id < 2 || runs[0].state != RDX_STATE_EXACT) {
		if (rdx_indexer_poll(indexer, 0) == 0)
			rdx_indexer_wait(indexer, 1000000);
		if (!index && rdx_index_open(&index, argv[1], &key) < 0)
			continue;
		rows = rdx_index_lookup_tokens(index, &request, runs.data(),
					       static_cast<uint32_t>(runs.size()));
	}
	CHECK(runs[0].worker_id == 7);
	CHECK(runs[0].blocks[RDX_TIER_DEVICE] == 2);
	CHECK(std::string(runs[0].instance) == "http://client:1");
	rdx_index_close(index);
	rdx_indexer_close(indexer);
	std::cout << "ok\n";
	return 0;
}
