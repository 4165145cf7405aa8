//! Documents say what is there: their links lead somewhere, the files and tests that they name exist,
//! deviations are listed where the code has them, and the README's commands are the program's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::program::{files_below, printed, root};

/// Every document, with its path in the repository.
fn documents() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    files_below(&root().join("docs"), "md", &mut files);
    let top = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ];
    files.extend(top.map(|name| root().join(name)));
    files
        .into_iter()
        .map(|path| (path.clone(), read(&path)))
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every source file of the crates.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root()).expect("the repository") {
        let source = entry.expect("an entry").path().join("src");
        files_below(&source, "rs", &mut files);
    }
    files
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of a document's tables: what is quoted in each one's first cell.
fn first_cells(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| quoted(row.split(" | ").next().unwrap_or_default()))
        .collect()
}

/// The heading's name in links.
fn anchor(heading: &str) -> String {
    let words = heading.to_lowercase().replace(' ', "-");
    words
        .chars()
        .filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    for (path, text) in documents() {
        let folder = path.parent().expect("a folder");
        let targets = text.split("](").skip(1);
        for target in targets.map(|rest| rest.split(')').next().unwrap_or_default()) {
            if target.starts_with("http") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() {
                path.clone()
            } else {
                folder.join(file)
            };
            assert!(to.exists(), "{}: {target}", path.display());
            let there = heading.is_empty()
                || read(&to)
                    .lines()
                    .filter_map(|line| line.strip_prefix('#'))
                    .any(|line| anchor(line.trim_start_matches('#').trim()) == heading);
            assert!(there, "{}: {target}", path.display());
        }
    }
}

/// Paths of the repository's own files, quoted with the crate's name in front.
#[test]
fn files_that_are_named_exist() {
    for (path, text) in documents() {
        for name in text.lines().flat_map(quoted) {
            let is_path = name.starts_with("sim-") && name.contains('/');
            if !is_path || name.contains([' ', '*', '…']) {
                continue;
            }
            assert!(root().join(name).exists(), "{}: {name}", path.display());
        }
    }
}

/// Where `ARCHITECTURE.md` says what to find: after a path, names beside it or below the same crate.
#[test]
fn the_architecture_s_files_exist() {
    let document = read(&root().join("ARCHITECTURE.md"));
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.rsplit(" | ").next().unwrap_or_default();
        let mut folder = root();
        let mut source = root();
        for name in quoted(cell) {
            let above = folder.parent().unwrap_or(&folder).to_owned();
            let places = [&folder, &above, &source, &root()].map(|place| place.join(name));
            let found = places.iter().find(|place| place.exists());
            let found = found.unwrap_or_else(|| panic!("there is no {name}: {row}"));
            if found.is_dir() {
                folder.clone_from(found);
            } else if name.starts_with("sim-") {
                folder = found.parent().expect("a folder").to_owned();
            }
            if name.starts_with("sim-") {
                let of_crate = found.ancestors().find(|path| path.ends_with("src"));
                source = of_crate.unwrap_or(found).to_owned();
            }
        }
    }
}

/// `unsafe` is denied, so that whoever uses it expects the lint.
#[test]
fn unsafe_code_is_where_the_architecture_says() {
    let document = read(&root().join("ARCHITECTURE.md"));
    let (_, sentence) = document.split_once("- `unsafe` is in").expect("a sentence");
    let sentence = sentence.split("\n\n").next().expect("its text");
    let places: Vec<_> = quoted(sentence).map(|place| root().join(place)).collect();
    for file in sources() {
        let allows = read(&file).contains("unsafe_code");
        // The crate's root says it of the module that has it.
        let is_root = file.ends_with("sim-oracle/src/lib.rs");
        let known = is_root || places.iter().any(|place| file.starts_with(place));
        assert!(!allows || known, "{}", file.display());
    }
}

#[test]
fn deviations_are_listed_where_the_code_has_them() {
    let files = sources();
    let marked = files
        .iter()
        .filter(|file| read(file).contains("DEVIATION:"));
    let marked: BTreeSet<_> = marked
        .map(|file| {
            file.strip_prefix(root())
                .expect("below")
                .display()
                .to_string()
        })
        .collect();
    let document = read(&root().join("docs/deviations.md"));
    let (listed, _) = document.split_once("\n## Not modelled").expect("two lists");
    let listed: BTreeSet<_> = first_cells(listed).into_iter().map(str::to_owned).collect();
    assert_eq!(listed, marked);
}

/// `file.rs: test`, with the file's path from some folder on; `m15_*` is any test that begins so.
#[test]
fn the_kernel_s_cases_are_tests() {
    let mut sources = Vec::new();
    for name in ["sim-core", "sim-fork", "sim-oracle"] {
        files_below(&root().join(name).join("src"), "rs", &mut sources);
    }
    let document = read(&root().join("docs/kernel-tests.md"));
    let mut checked = 0;
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let mut source = None;
        for quoted in quoted(row) {
            let (file, test) = quoted.split_once(".rs").unwrap_or(("", quoted));
            let test = test.trim_start_matches(':').trim();
            if quoted.contains(".rs") {
                let file = format!("{}.rs", file.replace("sim-oracle: ", ""));
                let found = sources.iter().find(|path| path.ends_with(&file));
                source = Some(found.unwrap_or_else(|| panic!("there is no {file}: {row}")));
            }
            let Some(source) = source else { continue };
            if !test.starts_with(|first: char| first.is_ascii_lowercase())
                || test.contains(['.', '/'])
            {
                continue;
            }
            let name = test.trim_end_matches('*');
            let found = read(source).lines().any(|line| {
                let line = line.trim_start();
                // A case of a table is a test by its name.
                line.strip_prefix("fn ").unwrap_or(line).starts_with(name)
            });
            assert!(found, "{}: {test}", source.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked} tests are named");
}

#[test]
fn the_readme_has_every_command() {
    let help = printed(&["--help"], 0);
    let (_, commands) = help.split_once("Commands:\n").expect("commands");
    let known: BTreeSet<_> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    let readme = read(&root().join("README.md"));
    let cells = first_cells(&readme);
    let documented: BTreeSet<_> = cells
        .iter()
        .filter_map(|cell| cell.strip_prefix("vmsim ")?.split(' ').next())
        .collect();
    assert_eq!(documented, known);
}

/// `vmsim COMMAND --flag`, in code blocks and in text: each flag is one of the command.
#[test]
fn flags_that_are_shown_exist() {
    for (path, text) in documents() {
        let shown = quoted(&text).chain(text.lines());
        for line in shown {
            let Some(arguments) = line.strip_prefix("vmsim ") else {
                continue;
            };
            let arguments = arguments.split(" #").next().unwrap_or_default();
            let mut words = arguments.split_whitespace();
            let command = words.next().expect("a command");
            if command.starts_with(|letter: char| !letter.is_ascii_lowercase()) {
                continue;
            }
            let flags: Vec<_> = words.filter(|word| word.starts_with("--")).collect();
            if flags.is_empty() {
                continue;
            }
            let help = printed(&[command, "--help"], 0);
            for flag in flags {
                assert!(help.contains(flag), "{}: {line}", path.display());
            }
        }
    }
}
