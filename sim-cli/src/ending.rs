//! How a command ends. The only place that knows exit codes.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::output::Output;

/// What a command that could do its work came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Ending {
    /// All expectations hold.
    Good,
    /// An expectation failed or a difference was found.
    Found,
}

impl Ending {
    /// Good, if `good`.
    pub(crate) const fn good_if(good: bool) -> Self {
        if good { Self::Good } else { Self::Found }
    }
}

/// Why a command could not do its work.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// The input is wrong; the text is complete and says where. Nothing was run.
    WrongInput(String),
    /// It is not possible here; the text is the reason.
    Impossible(String),
}

const GOOD: u8 = 0;
const FOUND: u8 = 1;
const WRONG: u8 = 2;
const IMPOSSIBLE: u8 = 3;

/// Prints what is left to print, and decides the exit code.
pub(crate) fn conclude(result: Result<Ending, Trouble>, output: &mut Output) -> ExitCode {
    let written = output.finish();
    let code = match (result, written) {
        (Err(Trouble::WrongInput(text)), _) => {
            eprint_lines(&text);
            WRONG
        }
        (Err(Trouble::Impossible(reason)), _) => {
            eprint_lines(&format!("vmsim: {reason}"));
            IMPOSSIBLE
        }
        (Ok(_), Err(error)) => {
            eprint_lines(&format!("vmsim: cannot write the output: {error}"));
            IMPOSSIBLE
        }
        (Ok(Ending::Good), Ok(())) => GOOD,
        (Ok(Ending::Found), Ok(())) => FOUND,
    };
    ExitCode::from(code)
}

/// A wrong command line, or a request for help.
pub(crate) fn of_usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => GOOD,
        _ => WRONG,
    })
}

fn eprint_lines(text: &str) {
    use std::io::Write as _;
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.trim_end().as_bytes());
    let _ = stderr.write_all(b"\n");
}
