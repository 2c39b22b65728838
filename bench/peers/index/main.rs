// SPDX-License-Identifier: Apache-2.0
//! Other indexes of who holds which block, measured as ringdex's: the same corpora, the same steps
//! in the same order, rows in the same form. It is started by a link to it, QUESTION-PEER, as
//! bench/run.sh finds it.

mod apply;
mod bench;
mod chainindex;
mod check;
mod clear;
mod corpus;
mod crtc;
mod floor;
mod index;
mod ingest;
mod lookup;
mod machine;
mod memory;
mod messages;
mod options;
mod oracle;
mod radixtree;
mod report;

use bench::Bench;
use index::Index;
use options::Options;
use report::Report;
use std::process::exit;

struct Question {
    name: &'static str,
    text: &'static str,
    /// By peer, in the order of `PEERS`.
    run: [fn(&mut Bench); 3],
}

const PEERS: [&str; 3] = [crtc::Crtc::NAME, chainindex::Chain::NAME, radixtree::Tree::NAME];

macro_rules! question {
    ($module:ident) => {
        Question {
            name: stringify!($module),
            text: $module::QUESTION,
            run: [
                $module::run::<crtc::Crtc>,
                $module::run::<chainindex::Chain>,
                $module::run::<radixtree::Tree>,
            ],
        }
    };
}

const QUESTIONS: [Question; 6] = [
    question!(apply),
    question!(lookup),
    question!(ingest),
    question!(memory),
    question!(clear),
    question!(check),
];

/// The question and the number of the peer that the program's name asks for.
fn chosen(program: &str) -> Option<(&'static Question, usize)> {
    let (question, peer) = program.rsplit('/').next()?.split_once('-')?;
    let question = QUESTIONS.iter().find(|known| known.name == question)?;
    Some((question, PEERS.iter().position(|&known| known == peer)?))
}

fn main() {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let Some((question, peer)) = chosen(&program) else {
        eprintln!("{program}: start it as QUESTION-PEER, a link to it (see bench/peers/README.md)");
        exit(2)
    };
    let options = Options::parse(arguments);
    let report = Report::new(question.name, question.text, &options);
    let mut bench = Bench { options, report };
    question.run[peer](&mut bench);
    exit(if bench.report.end(&bench.options) { 0 } else { 1 })
}
