// SPDX-License-Identifier: Apache-2.0
//! Rows, notes and checks in the form of bench/report.h, so that one report takes them all.

use crate::options::{Length, Options};
use serde_json::{Value, json};

pub struct Report {
    program: String,
    question: &'static str,
    length: &'static str,
    rows: Vec<Row>,
    notes: Vec<String>,
    checks: Vec<(String, bool)>,
}

struct Row {
    id: String,
    what: String,
    unit: &'static str,
    values: Vec<f64>,
    floor: Option<(String, Vec<f64>)>,
}

/// The p-th percentile, 0 to 100, by nearest rank.
pub fn percentile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (p / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.saturating_sub(1)]
}

fn spread(values: &[f64]) -> Value {
    json!({
        "median": percentile(values, 50.0),
        "low": percentile(values, 5.0),
        "high": percentile(values, 95.0),
    })
}

impl Row {
    fn ratios(&self) -> Option<(&str, Vec<f64>)> {
        let (id, floor) = self.floor.as_ref()?;
        Some((id, self.values.iter().zip(floor).map(|(value, floor)| value / floor).collect()))
    }

    fn json(&self) -> Value {
        let mut row = spread(&self.values);
        row["id"] = json!(self.id);
        row["what"] = json!(self.what);
        row["unit"] = json!(self.unit);
        row["count"] = json!(self.values.len());
        if let Some((floor, ratios)) = self.ratios() {
            row["floor"] = json!(floor);
            row["ratio"] = spread(&ratios);
        }
        row
    }

    fn print(&self) {
        let [low, median, high] = [5.0, 50.0, 95.0].map(|p| percentile(&self.values, p));
        print!("  {:<52} {median:>9.4} {:<5} {low:>9.4} .. {high:<9.4}", self.what, self.unit);
        if let Some((_, ratios)) = self.ratios() {
            let [low, median, high] = [5.0, 50.0, 95.0].map(|p| percentile(&ratios, p));
            print!(" {median:.2}x [{low:.2} .. {high:.2}]");
        }
        println!();
    }
}

impl Report {
    pub fn new(program: &str, question: &'static str, options: &Options) -> Self {
        let length = match options.length {
            Length::Full => "full",
            Length::Quick => "quick",
            Length::Smoke => "smoke",
        };
        let (rows, notes, checks) = (Vec::new(), Vec::new(), Vec::new());
        Report { program: program.to_string(), question, length, rows, notes, checks }
    }

    pub fn row(&mut self, id: String, what: String, unit: &'static str, values: Vec<f64>) {
        self.rows.push(Row { id, what, unit, values, floor: None });
    }

    /// The row that was added last was measured in turn with an earlier one.
    pub fn beside(&mut self, floor: &str) {
        let values = self.rows.iter().find(|row| row.id == floor).unwrap().values.clone();
        let row = self.rows.last_mut().unwrap();
        assert_eq!(row.values.len(), values.len());
        row.floor = Some((floor.to_string(), values));
    }

    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub fn check(&mut self, held: bool, what: String) {
        if !held {
            eprintln!("{}: does not hold: {what}", self.program);
        }
        self.checks.push((what, held));
    }

    fn json(&self) -> Value {
        let check = |(what, held): &(String, bool)| json!({"what": what, "held": held});
        json!({
            "program": self.program,
            "question": self.question,
            "length": self.length,
            "machine": {"compiler": option_env!("PEERS_RUSTC").unwrap_or("rustc")},
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "notes": self.notes,
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
        })
    }

    /// Prints, writes the file. Whether all checks held.
    pub fn end(&self, options: &Options) -> bool {
        let json = format!("{:#}\n", self.json());
        if options.json {
            print!("{json}");
        } else {
            println!("{}: {}", self.program, self.question);
            self.rows.iter().for_each(Row::print);
            self.notes.iter().for_each(|note| println!("  {note}"));
        }
        if let Some(file) = &options.file {
            std::fs::write(file, &json).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        self.checks.iter().all(|check| check.1)
    }
}
