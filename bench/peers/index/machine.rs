// SPDX-License-Identifier: Apache-2.0
//! Processors, clocks and memory.

use std::io::{Read, Write};
use std::mem;

/// Stays on the `place`-th processor that this process may use, modulo their number.
pub fn pin(place: usize) {
    // SAFETY: plain sets of bits, of the size that is given.
    unsafe {
        static MAY: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
        let may = MAY.get_or_init(|| {
            let mut set: libc::cpu_set_t = mem::zeroed();
            libc::sched_getaffinity(0, size_of_val(&set), &mut set);
            (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &set)).collect()
        });
        let mut one: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(may[place % may.len()], &mut one);
        libc::sched_setaffinity(0, size_of_val(&one), &one);
    }
}

/// The clock of the calling thread's CPU time, readable by others.
pub fn thread_clock() -> libc::clockid_t {
    let mut clock = 0;
    // SAFETY: writes one clockid_t.
    unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
    clock
}

/// Nanoseconds on `clock`.
pub fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// From now on freed memory stays touched and is given out again: a second pass takes no page
/// faults, which on a virtual machine cost more than what is measured.
pub fn keep_memory() {
    // SAFETY: settings of malloc, before other threads run.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        libc::mallopt(libc::M_MMAP_MAX, 0);
    }
}

/// Anonymous memory of this process that is there, in bytes.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// What `work` comes to in a process of its own. No other thread may run.
pub fn in_child(work: impl FnOnce() -> f64) -> f64 {
    let (mut receive, mut send) = std::io::pipe().unwrap();
    // SAFETY: this process has one thread; the child ends below.
    match unsafe { libc::fork() } {
        0 => {
            let _ = send.write_all(&work().to_ne_bytes());
            // SAFETY: ends the process.
            unsafe { libc::_exit(0) }
        }
        child => {
            let mut bytes = [0; 8];
            drop(send);
            receive.read_exact(&mut bytes).expect("the child has died");
            // SAFETY: waits for our child.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            f64::from_ne_bytes(bytes)
        }
    }
}
