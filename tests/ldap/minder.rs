//! Programs that end with the test that started them, or with the whole test run.

use std::{
    io,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A running program. It is ended when this is dropped, and also when the process that
/// holds it is gone: a shell between the two waits for the end of its standard input.
#[derive(Debug)]
pub(super) struct Minded(Child);

/// Starts the program in its arguments, ends it at the end of input, and removes a folder.
const SCRIPT: &str = r#"
folder=$1 output=$2; shift 2
"$@" >"$output" 2>&1 </dev/null & child=$!
read -r line
kill $child 2>/dev/null; wait $child 2>/dev/null
[ -n "$folder" ] && rm -rf "$folder"
exit 0
"#;

impl Minded {
    /// Starts `program`; what it writes goes to the file `output`. `remove` is removed
    /// after its end.
    pub(super) fn start(
        program: &mut Command,
        output: &Path,
        remove: Option<&Path>,
    ) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "sh"]);
        shell.arg(remove.unwrap_or(Path::new(""))).arg(output);
        shell.arg(program.get_program()).args(program.get_args());
        shell.stdin(Stdio::piped()).stdout(Stdio::null());
        Ok(Self(shell.spawn()?))
    }

    /// Ends the program and waits for its end.
    pub(super) fn end(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Minded {
    fn drop(&mut self) {
        self.end();
    }
}
