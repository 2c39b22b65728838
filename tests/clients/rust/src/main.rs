// SPDX-License-Identifier: Apache-2.0
//! The same as c/client.c, with structures written down again: `client DIR`. RINGDEX_SIZES names
//! what C says of their sizes.
mod ringdex; // of docs/examples/rust

use ringdex::raw::*;
use std::ffi::{CStr, CString};
use std::mem::{size_of, zeroed};
use std::os::raw::{c_char, c_int, c_void};
use std::ptr::null_mut;

const EXACT: u8 = 0;

#[repr(C)]
struct PublisherOptions {
    size: u64,
    dir: *const c_char,
    instance: *const c_char,
    model: *const c_char,
    tenant: *const c_char,
    worker_id: u64,
    dp_rank: u32,
    block_tokens: u32,
    ring_slots: u64,
    tier_blocks: [u64; TIERS],
    remembered_names: u64,
    clear_scope: u32,
    report_mode: u32,
    file_mode: u32,
    reap_dead: u32,
    wait_ns: u64,
    names_max: u64,
}

#[repr(C)]
struct Stored {
    size: u64,
    time_ns: u64,
    names: *const c_void,
    parent: *const c_void,
    tokens: *const u32,
    token_count: u64,
    local_hashes: *const u64,
    lora: *const c_char,
    salt: *const c_char,
    count: u32,
    block_tokens: u32,
    tier: u8,
    cache_group: u8,
    name_bytes: u8,
    overlap: u8,
    reserved: [u8; 4],
    keys: *const c_void,
    key_count: u64,
}

#[repr(C)]
struct Removed {
    size: u64,
    time_ns: u64,
    names: *const c_void,
    count: u32,
    tier: u8,
    cache_group: u8,
    name_bytes: u8,
    reserved: u8,
    remaining: *const u32,
}

#[repr(C)]
struct IndexerOptions {
    size: u64,
    dir: *const c_char,
    initial_blocks: u64,
    stale_after_ns: u64,
    liveness_ns: u64,
    wait_mode: u32,
    file_mode: u32,
    worker_bytes_max: u64,
    worker_ranks_max: u32,
    worker_columns_max: u32,
    worker_indexes_max: u32,
    rest_mode: u32,
    user_ranks_max: u32,
    reserved: u32,
}

/// Handles are opaque.
type Handle = *mut c_void;

extern "C" {
    fn rdx_version() -> u32;
    fn rdx_version_text() -> *const c_char;
    fn rdx_publisher_open(ret: *mut Handle, options: *const PublisherOptions) -> c_int;
    fn rdx_publisher_close(publisher: Handle);
    fn rdx_publisher_epoch(publisher: Handle) -> u64;
    fn rdx_publish_stored(publisher: Handle, stored: *const Stored) -> c_int;
    fn rdx_publish_removed(publisher: Handle, removed: *const Removed) -> c_int;
    fn rdx_indexer_open(ret: *mut Handle, options: *const IndexerOptions) -> c_int;
    fn rdx_indexer_close(indexer: Handle);
    fn rdx_indexer_poll(indexer: Handle, max_slots: u32) -> c_int;
    fn rdx_indexer_wait(indexer: Handle, timeout_ns: i64) -> c_int;
}

fn compare_sizes() {
    let text = std::fs::read_to_string(std::env::var("RINGDEX_SIZES").unwrap()).unwrap();
    for (name, size) in [
        ("rdx_publisher_options", size_of::<PublisherOptions>()),
        ("rdx_stored", size_of::<Stored>()),
        ("rdx_removed", size_of::<Removed>()),
        ("rdx_tokens", size_of::<Tokens>()),
        ("rdx_indexer_options", size_of::<IndexerOptions>()),
        ("rdx_index_key", size_of::<IndexKey>()),
        ("rdx_run", size_of::<Run>()),
    ] {
        assert!(text.lines().any(|line| line == format!("{name} {size}")), "{name}: {size}");
    }
}

fn text(text: &str) -> CString {
    CString::new(text).unwrap()
}

unsafe fn publish(dir: &CStr, tokens: &[u32]) -> Handle {
    let mut options: PublisherOptions = zeroed();
    let (instance, model) = (text("http://client:1"), text("model"));
    options.size = size_of::<PublisherOptions>() as u64;
    options.dir = dir.as_ptr();
    options.instance = instance.as_ptr();
    options.model = model.as_ptr();
    options.worker_id = 7;
    options.block_tokens = 4;
    options.ring_slots = 64;
    options.tier_blocks[0] = 64;
    let mut publisher = null_mut();
    assert_eq!(rdx_publisher_open(&mut publisher, &options), 0);

    let names = [71u64, 72, 73];
    let mut stored: Stored = zeroed();
    stored.size = size_of::<Stored>() as u64;
    stored.names = names.as_ptr().cast();
    stored.tokens = tokens.as_ptr();
    stored.token_count = tokens.len() as u64;
    stored.count = 3;
    stored.name_bytes = 8;
    assert_eq!(rdx_publish_stored(publisher, &stored), 0);
    let mut removed: Removed = zeroed();
    removed.size = size_of::<Removed>() as u64;
    removed.names = names[2..].as_ptr().cast();
    removed.count = 1;
    removed.name_bytes = 8;
    assert_eq!(rdx_publish_removed(publisher, &removed), 0);
    publisher
}

fn main() {
    let dir = text(&std::env::args().nth(1).unwrap());
    let tokens: Vec<u32> = (1..13).collect();
    compare_sizes();
    // every call is given valid pointers, and handles of this thread
    unsafe {
        let version = CStr::from_ptr(rdx_version_text()).to_str().unwrap();
        let numbers: Vec<u32> = version.split('.').map(|n| n.parse().unwrap()).collect();
        assert_eq!(rdx_version(), numbers[0] * 1000000 + numbers[1] * 1000 + numbers[2]);

        let publisher = publish(&dir, &tokens);
        let mut options: IndexerOptions = zeroed();
        options.size = size_of::<IndexerOptions>() as u64;
        options.dir = dir.as_ptr();
        let mut indexer = null_mut();
        assert_eq!(rdx_indexer_open(&mut indexer, &options), 0);
        let model = text("model");
        let mut key: IndexKey = zeroed();
        key.size = size_of::<IndexKey>() as u64;
        key.model = model.as_ptr();
        key.block_tokens = 4;
        let mut request: Tokens = zeroed();
        request.size = size_of::<Tokens>() as u64;
        request.ids = tokens.as_ptr();
        request.count = tokens.len() as u64;
        let mut run: Run = zeroed();
        run.size = size_of::<Run>() as u64;
        let (mut index, mut rows): (*mut Index, c_int) = (null_mut(), 0);
        while rows != 1 || run.last_event_id < 2 || run.state != EXACT {
            if rdx_indexer_poll(indexer, 0) == 0 {
                rdx_indexer_wait(indexer, 1_000_000);
            }
            if index.is_null() && rdx_index_open(&mut index, dir.as_ptr(), &key) < 0 {
                continue;
            }
            rows = rdx_index_lookup_tokens(index, &request, &mut run, 1);
        }
        assert_eq!((run.worker_id, run.blocks[0]), (7, 2));
        assert_eq!(run.epoch, rdx_publisher_epoch(publisher));
        assert_eq!(CStr::from_ptr(run.instance).to_str(), Ok("http://client:1"));
        rdx_index_close(index);
        rdx_indexer_close(indexer);
        rdx_publisher_close(publisher);
    }
    println!("ok");
}
