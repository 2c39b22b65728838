// SPDX-License-Identifier: Apache-2.0
// Where the library is, as pkg-config says.
use std::process::Command;

fn main() {
    let output = Command::new("pkg-config").args(["--libs", "ringdex"]).output().unwrap();
    assert!(output.status.success(), "pkg-config does not find ringdex");
    for word in String::from_utf8(output.stdout).unwrap().split_whitespace() {
        if let Some(folder) = word.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={folder}");
        } else if let Some(library) = word.strip_prefix("-l") {
            println!("cargo:rustc-link-lib=dylib={library}");
        }
    }
}
