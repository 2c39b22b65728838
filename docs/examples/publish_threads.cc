// SPDX-License-Identifier: Apache-2.0
// An engine whose threads store and evict on their own: they take turns at one publisher, since the
// order in which a worker's events stand in its ring is the order in which they happened. Usage:
// example-publish-threads DIR. Stays until its standard input ends, since the blocks of a
// dead worker leave the index.
#include <ringdex/rdx_publisher.h>

#include <cstdint>
#include <cstring>
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace
{

constexpr std::uint32_t block_tokens = 4;

// A structure that begins with its size, and is 0 otherwise.
template <typename T> T sized()
{
	T t{};
	t.size = sizeof(t);
	return t;
}

// One rank. Its calls may come from any thread: a call takes well under a microsecond, and is made
// under the same lock as the change of the cache that it tells of.
class Cache
{
public:
	explicit Cache(const char *dir)
	{
		auto options = sized<rdx_publisher_options>();
		options.dir = dir;
		options.instance = "http://localhost:8000";
		options.model = "example";
		options.worker_id = 1;
		options.block_tokens = block_tokens;
		options.tier_blocks[RDX_TIER_DEVICE] = 1024;
		const int r = rdx_publisher_open(&publisher_, &options);
		if (r < 0)
			throw std::runtime_error(std::strerror(-r));
	}
	~Cache()
	{
		rdx_publisher_close(publisher_);
	}
	Cache(const Cache &) = delete;
	Cache &operator=(const Cache &) = delete;

	// Blocks that continue `parent`, or begin a prompt where it is null.
	void store(const std::vector<std::uint64_t> &names, const std::uint64_t *parent,
		   const std::vector<std::uint32_t> &tokens)
	{
		auto stored = sized<rdx_stored>();
		stored.names = names.data();
		stored.count = static_cast<std::uint32_t>(names.size());
		stored.parent = parent;
		stored.tokens = tokens.data();
		stored.token_count = tokens.size();
		stored.tier = RDX_TIER_DEVICE;
		stored.name_bytes = 8;
		const std::lock_guard<std::mutex> lock(mutex_);
		// ... the engine's own bookkeeping ...
		rdx_publish_stored(publisher_, &stored);
	}

	void evict(const std::vector<std::uint64_t> &names)
	{
		auto removed = sized<rdx_removed>();
		removed.names = names.data();
		removed.count = static_cast<std::uint32_t>(names.size());
		removed.tier = RDX_TIER_DEVICE;
		removed.name_bytes = 8;
		const std::lock_guard<std::mutex> lock(mutex_);
		// ... the engine's own bookkeeping ...
		rdx_publish_removed(publisher_, &removed);
	}

private:
	std::mutex mutex_;
	rdx_publisher *publisher_ = nullptr;
};

// Prompts of four blocks that come and go: what a thread stores, it evicts.
void churn(Cache &cache, std::uint64_t thread)
{
	std::vector<std::uint32_t> tokens(4 * block_tokens);
	for (std::uint64_t prompt = 1; prompt <= 1000; prompt++) {
		const std::uint64_t name = thread << 32 | prompt << 2;
		for (std::size_t i = 0; i < tokens.size(); i++)
			tokens[i] = static_cast<std::uint32_t>(100000 * thread + prompt + i);
		cache.store({name, name + 1, name + 2, name + 3}, nullptr, tokens);
		cache.evict({name + 3, name + 2, name + 1, name});
	}
}

} // namespace

int main(int argc, char **argv)
try {
	Cache cache(argc > 1 ? argv[1] : nullptr);
	std::vector<std::thread> threads;
	for (std::uint64_t thread = 1; thread <= 4; thread++)
		threads.emplace_back(churn, std::ref(cache), thread);
	cache.store({0xa1, 0xa2}, nullptr, {1, 2, 3, 4, 5, 6, 7, 8});
	for (auto &thread : threads)
		thread.join();
	std::cout << "published" << std::endl;
	std::cin.ignore(1 << 20, EOF);
	return 0;
} catch (const std::exception &error) {
	std::cerr << "example-publish-threads: " << error.what() << "\n";
	return 1;
}
