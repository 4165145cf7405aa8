//! The files of the command line: directories are searched, `-` is standard input.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sim_scenario::replay::strace::Trace;

use crate::ending::Trouble;

/// The scenario files that arguments name, in order; those of a directory by name.
pub(crate) fn scenario_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Trouble> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            search(path, &mut files).map_err(|error| cannot_read(path, &error))?;
            if files.len() == before {
                let text = format!("error: {}: there is no *.toml file in it", path.display());
                return Err(Trouble::WrongInput(text));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn search(directory: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let mut entries = std::fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    for path in entries {
        let linked = path.symlink_metadata()?.is_symlink();
        if path.is_dir() && !linked {
            search(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    let read = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    read.map_err(|error| cannot_read(path, &error))
}

/// A log of strace.
pub(crate) fn trace(path: &Path) -> Result<Trace, Trouble> {
    Trace::parse(&read(path)?).map_err(|errors| {
        let mut text = String::new();
        for error in errors {
            let _ = writeln!(text, "error: {}:{error}", path.display());
        }
        Trouble::WrongInput(text)
    })
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble::WrongInput(format!(
        "error: {}: cannot read it: {error}",
        path.display()
    ))
}
