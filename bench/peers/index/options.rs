// SPDX-License-Identifier: Apache-2.0
//! The command line that all benchmarks have (bench/options.h), as far as it matters here.

use std::process::exit;

#[derive(Clone, Copy, PartialEq)]
pub enum Length {
    Full,
    Quick,
    Smoke,
}

pub struct Options {
    pub length: Length,
    pub rounds: Option<usize>,
    pub corpora: String,
    /// JSON goes there, beside the table.
    pub file: Option<String>,
    /// JSON on standard output instead of the table.
    pub json: bool,
}

const USAGE: &str = "\
usage: QUESTION-PEER [OPTIONS]   question: apply, lookup, ingest, memory, clear, check

  --corpora DIR   where bench-corpus has put its files (build/bench/corpora)
  --rounds N      slices or repetitions of each kind
  --quick         less of it
  --smoke         as little as shows that it works
  --json[=FILE]   figures as JSON instead of the table; with FILE, the table and a file
  --scratch DIR   taken and not used";

fn refuse(why: &str) -> ! {
    eprintln!("{why}\n{USAGE}");
    exit(2)
}

impl Options {
    pub fn parse(arguments: impl Iterator<Item = String>) -> Options {
        let mut options = Options {
            length: Length::Full,
            rounds: None,
            corpora: "build/bench/corpora".to_string(),
            file: None,
            json: false,
        };
        let mut arguments = arguments.flat_map(|argument| match argument.split_once('=') {
            Some((name, value)) if name != "--json" => vec![name.to_string(), value.to_string()],
            _ => vec![argument],
        });
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().unwrap_or_else(|| refuse(&format!("{argument} takes a value")));
            match argument.as_str() {
                "--corpora" => options.corpora = value(),
                "--scratch" => drop(value()),
                "--rounds" => match value().parse() {
                    Ok(rounds) if rounds > 0 => options.rounds = Some(rounds),
                    _ => refuse("--rounds takes a number from 1 on"),
                },
                "--quick" => options.length = Length::Quick,
                "--smoke" => options.length = Length::Smoke,
                "--json" => options.json = true,
                "--help" => {
                    println!("{USAGE}");
                    exit(0)
                }
                _ => match argument.strip_prefix("--json=") {
                    Some(file) => options.file = Some(file.to_string()),
                    None => refuse(&format!("{argument}: no such option")),
                },
            }
        }
        options
    }

    /// The value for this run's length.
    pub fn pick<T>(&self, full: T, quick: T, smoke: T) -> T {
        match self.length {
            Length::Full => full,
            Length::Quick => quick,
            Length::Smoke => smoke,
        }
    }
}
