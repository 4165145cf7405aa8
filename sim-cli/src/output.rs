//! Standard output: buffered, coloured where that is wanted, quiet when nobody reads it.

use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};

use crate::arguments::Color;

/// Where a command prints to.
pub(crate) struct Output {
    writer: Box<dyn Write>,
    colored: bool,
    /// The first error of writing; a closed pipe is none.
    error: Option<io::Error>,
    closed: bool,
}

/// How text is emphasised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// Titles, names.
    Strong,
    /// What matters less.
    Dim,
    /// What holds.
    Good,
    /// What does not.
    Bad,
    /// What deserves a look.
    Note,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Strong => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Note => "33",
        }
    }
}

impl Output {
    /// Standard output.
    pub(crate) fn stdout(color: Color) -> Self {
        let stdout = io::stdout();
        let colored = colored(color, stdout.is_terminal());
        Self::new(Box::new(BufWriter::with_capacity(1 << 16, stdout)), colored)
    }

    /// Standard error, with colours as the standard output has them.
    pub(crate) fn stderr(&self) -> Self {
        let stderr = io::stderr();
        let colored = self.colored && stderr.is_terminal();
        Self::new(Box::new(BufWriter::new(stderr)), colored)
    }

    fn new(writer: Box<dyn Write>, colored: bool) -> Self {
        Self {
            writer,
            colored,
            error: None,
            closed: false,
        }
    }

    /// Whether it has colours.
    pub(crate) const fn colored(&self) -> bool {
        self.colored
    }

    /// Prints text as it is.
    pub(crate) fn text(&mut self, text: impl AsRef<[u8]>) {
        if self.closed {
            return;
        }
        if let Err(error) = self.writer.write_all(text.as_ref()) {
            self.fail(error);
        }
    }

    /// Prints a value as JSON for people to read, without holding its text.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) {
        // `text` keeps errors of writing; there are no others.
        let _ = serde_json::to_writer_pretty(Text(self), value);
        self.text("\n");
    }

    /// Prints a line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.text(text.as_ref());
        self.text("\n");
    }

    /// Text in a style, for a line.
    pub(crate) fn paint(&self, style: Style, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if self.colored && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", style.code())
        } else {
            text.to_owned()
        }
    }

    /// Shows what was printed so far; trouble is told by [`finish`](Self::finish).
    pub(crate) fn flush(&mut self) {
        if !self.closed
            && let Err(error) = self.writer.flush()
        {
            self.fail(error);
        }
    }

    /// Shows what was printed so far.
    ///
    /// # Errors
    /// The first error of writing. A reader that went away is none.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.flush();
        self.error.take().map_or(Ok(()), Err)
    }

    fn fail(&mut self, error: io::Error) {
        self.closed = true;
        if error.kind() != ErrorKind::BrokenPipe {
            self.error = Some(error);
        }
    }
}

fn colored(color: Color, terminal: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

/// An output as what serialisers write to.
struct Text<'o>(&'o mut Output);

impl Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.text(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
