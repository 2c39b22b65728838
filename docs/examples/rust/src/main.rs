// SPDX-License-Identifier: Apache-2.0
//! A router asks who holds the longest prefix of a request, while `ringdex follow DIR` maintains
//! the index. Usage: lookup DIR. Prints one line per rank for the prompt of example-publish.
mod ringdex;

use std::path::Path;
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let dir = std::env::args_os().nth(1).unwrap_or_else(|| {
        eprintln!("usage: lookup DIR");
        std::process::exit(2);
    });
    let mut index = ringdex::Index::open(Path::new(&dir), "example", 4, Duration::from_secs(60))?;
    let prompt: Vec<u32> = (1..13).collect();
    let runs = match index.lookup(&prompt) {
        Err(error) if ringdex::may_pass(&error) => {
            eprintln!("no answer: {error}");
            Vec::new()
        }
        answered => answered?,
    };
    for run in runs {
        println!(
            "worker {} rank {} at {} holds {} blocks on its device: {}",
            run.worker_id, run.dp_rank, run.instance, run.blocks[0], run.state
        );
    }
    Ok(())
}
