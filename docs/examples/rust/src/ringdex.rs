// SPDX-License-Identifier: Apache-2.0
//! What a router needs of `rdx_index.h`, written down again, and a safe handle on it.
use std::ffi::{CStr, CString};
use std::io::{Error, Result};
use std::mem::{size_of, zeroed};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{null_mut, NonNull};
use std::time::{Duration, Instant};

/// As in C, field by field.
pub mod raw {
    use std::os::raw::{c_char, c_int, c_void};

    pub const RANKS_MAX: usize = 256;
    pub const TIERS: usize = 4;

    #[repr(C)]
    pub struct IndexKey {
        pub size: u64,
        pub model: *const c_char,
        pub tenant: *const c_char,
        pub block_tokens: u32,
        pub flags: u32,
    }

    #[repr(C)]
    pub struct Tokens {
        pub size: u64,
        pub seed: u64,
        pub ids: *const u32,
        pub count: u64,
        pub keys: *const c_void,
        pub key_count: u64,
        pub block_tokens: u32,
        pub overlap: u32,
    }

    #[repr(C)]
    #[derive(Clone)]
    pub struct Run {
        pub size: u64,
        pub worker_id: u64,
        pub dp_rank: u32,
        pub state: u8,
        pub scanned: u8,
        pub reserved: [u8; 2],
        pub blocks: [u32; TIERS],
        pub epoch: u64,
        pub last_event_id: u64,
        pub age_ns: u64,
        pub event_age_ns: u64,
        pub instance: *const c_char,
    }

    pub enum Index {}

    extern "C" {
        pub fn rdx_index_open(
            ret: *mut *mut Index, dir: *const c_char, key: *const IndexKey,
        ) -> c_int;
        pub fn rdx_index_close(index: *mut Index);
        pub fn rdx_index_lookup_tokens(
            index: *mut Index, tokens: *const Tokens, runs: *mut Run, capacity: u32,
        ) -> c_int;
        pub fn rdx_state_text(state: u8) -> *const c_char;
    }
}

/// What one rank holds of a request.
pub struct Run {
    pub worker_id: u64,
    pub dp_rank: u32,
    /// Leading blocks held in the device; in device and host; down to the disk; anywhere.
    pub blocks: [u32; raw::TIERS],
    pub state: String,
    pub instance: String,
}

/// Did a lookup fail only for now? The index was in the midst of changes, its file was damaged or cut, or its
/// indexer has ended (open it again where that stays so). A router routes that request as without an index, and asks again with
/// the next one.
pub fn may_pass(error: &Error) -> bool {
    matches!(error.raw_os_error(), Some(11 | 43 | 74)) // EAGAIN, EIDRM, EBADMSG
}

/// A handle, which serves one thread at a time.
pub struct Index {
    handle: NonNull<raw::Index>,
    runs: Vec<raw::Run>,
}

// A handle may be used by any thread, by one at a time: `lookup` takes it by `&mut`.
unsafe impl Send for Index {}

impl Index {
    /// Wait as long as `patience` for the index: routers may start before workers and indexers.
    pub fn open(dir: &Path, model: &str, block_tokens: u32, patience: Duration) -> Result<Index> {
        let dir = CString::new(dir.as_os_str().as_bytes())?;
        let model = CString::new(model)?;
        let end = Instant::now() + patience;
        loop {
            let mut handle = null_mut();
            // SAFETY: a key of zeroes is one without texts; the texts outlive the call
            let r = unsafe {
                let mut key: raw::IndexKey = zeroed();
                key.size = size_of::<raw::IndexKey>() as u64;
                key.model = model.as_ptr();
                key.block_tokens = block_tokens;
                raw::rdx_index_open(&mut handle, dir.as_ptr(), &key)
            };
            if let Some(handle) = NonNull::new(handle).filter(|_| r == 0) {
                // SAFETY: numbers and a pointer may be 0
                let run: raw::Run = unsafe { zeroed() };
                let mut runs = vec![run; raw::RANKS_MAX];
                runs[0].size = size_of::<raw::Run>() as u64;
                return Ok(Index { handle, runs });
            }
            let missing = [2, 3, 11].contains(&-r); // ENOENT, ESRCH, EAGAIN: who is awaited may come
            if !missing || Instant::now() >= end {
                return Err(Error::from_raw_os_error(-r));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A run of each rank that holds the first block of the prompt.
    pub fn lookup(&mut self, prompt: &[u32]) -> Result<Vec<Run>> {
        // SAFETY: the prompt outlives the call; rows are as many as C says; its texts are valid
        // until the next call, and copied
        unsafe {
            let mut request: raw::Tokens = zeroed();
            request.size = size_of::<raw::Tokens>() as u64;
            request.ids = prompt.as_ptr();
            request.count = prompt.len() as u64;
            let rows = raw::rdx_index_lookup_tokens(
                self.handle.as_ptr(), &request, self.runs.as_mut_ptr(), self.runs.len() as u32,
            );
            if rows < 0 {
                return Err(Error::from_raw_os_error(-rows));
            }
            let text = |text| CStr::from_ptr(text).to_string_lossy().into_owned();
            Ok(self.runs[..rows as usize]
                .iter()
                .map(|run| Run {
                    worker_id: run.worker_id,
                    dp_rank: run.dp_rank,
                    blocks: run.blocks,
                    state: text(raw::rdx_state_text(run.state)),
                    instance: text(run.instance),
                })
                .collect())
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // SAFETY: open, and not used again
        unsafe { raw::rdx_index_close(self.handle.as_ptr()) }
    }
}
