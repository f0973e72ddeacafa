//! What commands print on standard output: whoever reads it may stop at any line, as `head` does, and that is no fault.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// What a shell sees of a program that was ended by SIGPIPE.
const READER_IS_GONE: i32 = 128 + 13;

/// Standard output for commands: the process ends quietly where nobody reads on.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandOutput;

impl Write for CommandOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_unread(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_unread(io::stdout().flush())
    }
}

fn unless_unread<T>(done: io::Result<T>) -> io::Result<T> {
    if done.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(READER_IS_GONE);
    }
    done
}

/// Prints a line; what [`print_line!`](crate::print_line) stands for.
pub fn line(text: fmt::Arguments<'_>) {
    let mut output = CommandOutput;
    if let Err(error) = writeln!(output, "{text}").and_then(|()| output.flush()) {
        eprintln!("failed to write to standard output: {error}");
        std::process::exit(1);
    }
}

/// Prints a line of a command's result; takes what `println!` does, and does not panic where nobody reads.
#[macro_export]
macro_rules! print_line {
    ($($text:tt)*) => {
        $crate::output::line(format_args!($($text)*))
    };
}
