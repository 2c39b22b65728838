// SPDX-License-Identifier: Apache-2.0
//! iceoryx2 as a way to pass messages: publish and subscribe, the sender waits where a reader is
//! full. The other side of this is channel.h.

use iceoryx2::port::backpressure_strategy::BackpressureStrategy;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;
use std::error::Error;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU32, Ordering};

type Service = ipc::Service;

#[derive(Clone, Copy, Debug, ZeroCopySend)]
#[repr(C)]
pub struct Message {
    word: [u64; 8],
}

/// CHANNEL_MESSAGES of channel.h.
const MESSAGES: usize = 8192;

struct Place {
    config: Config,
    name: String,
    readers: u32,
}

enum Port {
    Writer(Publisher<Service, Message, ()>),
    Reader(Subscriber<Service, Message, ()>),
}

struct End {
    port: Port,
    _node: Node<Service>,
}

/// What the files in shared memory begin with, so that `discard` knows them.
fn prefix() -> String {
    format!("ringdex-peers-{}-", std::process::id())
}

fn make(dir: &str, readers: u32) -> Result<Place, Box<dyn Error>> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let mut config = Config::default();
    config.global.set_root_path(&dir.try_into()?);
    config.global.prefix = prefix().as_str().try_into()?;
    set_log_level(LogLevel::Error);
    Ok(Place { config, name: MADE.fetch_add(1, Ordering::Relaxed).to_string(), readers })
}

fn join(place: &Place, writes: bool) -> Result<End, Box<dyn Error>> {
    let node = NodeBuilder::new().config(&place.config).create::<Service>()?;
    let service = node
        .service_builder(&place.name.as_str().try_into()?)
        .publish_subscribe::<Message>()
        .subscriber_max_buffer_size(MESSAGES)
        .max_publishers(1)
        .max_subscribers(place.readers as usize)
        .history_size(0)
        .enable_safe_overflow(false)
        .open_or_create()?;
    let port = if writes {
        let waits = BackpressureStrategy::RetryUntilDelivered;
        let publisher = service.publisher_builder().backpressure_strategy(waits).create()?;
        while service.dynamic_config().number_of_subscribers() < place.readers as usize {
            std::thread::yield_now();
        }
        publisher.update_connections()?;
        Port::Writer(publisher)
    } else {
        Port::Reader(service.subscriber_builder().buffer_size(MESSAGES).create()?)
    };
    Ok(End { port, _node: node })
}

/// A pointer for C, NULL with a message if it failed.
fn give<T>(result: Result<T, Box<dyn Error>>) -> *mut c_void {
    match result {
        Ok(value) => Box::into_raw(Box::new(value)).cast(),
        Err(why) => {
            eprintln!("iceoryx2: {why}");
            std::ptr::null_mut()
        }
    }
}

/// # Safety
/// `dir` is a string.
#[unsafe(no_mangle)]
unsafe extern "C" fn peers_iceoryx2_make(dir: *const c_char, readers: u32) -> *mut c_void {
    // SAFETY: by contract.
    let dir = unsafe { CStr::from_ptr(dir) };
    give(dir.to_str().map_err(Into::into).and_then(|dir| make(dir, readers)))
}

/// # Safety
/// `place` is from peers_iceoryx2_make.
#[unsafe(no_mangle)]
unsafe extern "C" fn peers_iceoryx2_join(place: *mut c_void, reader: i32) -> *mut c_void {
    // SAFETY: by contract.
    give(join(unsafe { &*place.cast::<Place>() }, reader < 0))
}

/// # Safety
/// `end` is a writer's from peers_iceoryx2_join.
#[unsafe(no_mangle)]
unsafe extern "C" fn peers_iceoryx2_send(end: *mut c_void, message: *const Message) -> c_int {
    // SAFETY: by contract.
    let (end, message) = unsafe { (&*end.cast::<End>(), *message) };
    let Port::Writer(publisher) = &end.port else { return -1 };
    let sent = publisher.loan_uninit().map(|sample| sample.write_payload(message).send().is_ok());
    if sent == Ok(true) { 0 } else { -1 }
}

/// Takes a message if one is there: 1, or 0, or -1 if it failed.
///
/// # Safety
/// `end` is a reader's from peers_iceoryx2_join.
#[unsafe(no_mangle)]
unsafe extern "C" fn peers_iceoryx2_receive(end: *mut c_void, message: *mut Message) -> c_int {
    // SAFETY: by contract.
    let end = unsafe { &*end.cast::<End>() };
    let Port::Reader(subscriber) = &end.port else { return -1 };
    match subscriber.receive() {
        Ok(Some(sample)) => {
            // SAFETY: the caller's, as large as a message.
            unsafe { *message = *sample.payload() };
            1
        }
        Ok(None) => 0,
        Err(_) => -1,
    }
}

/// # Safety
/// `end` is from peers_iceoryx2_join, and not used after this.
#[unsafe(no_mangle)]
unsafe extern "C" fn peers_iceoryx2_leave(end: *mut c_void) {
    // SAFETY: by contract.
    drop(unsafe { Box::from_raw(end.cast::<End>()) });
}

/// In the process that made it, when the others have ended: nothing of it stays in shared memory.
#[unsafe(no_mangle)]
extern "C" fn peers_iceoryx2_discard(_place: *mut c_void) {
    let Ok(entries) = std::fs::read_dir("/dev/shm") else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
