//! The interpreters, and how a program is run in each.

use std::error::Error;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) struct Interpreter {
    pub(crate) name: String,
    executable: OsString,
    options: &'static [&'static str],
    variables: Vec<(&'static str, OsString)>,
    /// Programs are compiled when they run for the first time.
    compiles: bool,
    /// It prints a summary of its collector's work.
    has_summary: bool,
    directory: PathBuf,
    /// Where it keeps what it compiles.
    _cache: Option<TempDir>,
}

/// What is known of a run.
pub(crate) struct Run {
    pub(crate) output: String,
    pub(crate) seconds: f64,
    /// The longest stop of the collector, in microseconds.
    pub(crate) longest_stop: Option<u64>,
}

/// The interpreters that there are: this one, then the others.
pub(crate) fn all(directory: &Path) -> Result<Vec<Interpreter>, Box<dyn Error>> {
    let mut all = vec![Interpreter {
        name: "strandline".into(),
        executable: env!("CARGO_BIN_EXE_scheme").into(),
        options: &["--gc-stats"],
        variables: Vec::new(),
        compiles: false,
        has_summary: true,
        directory: directory.to_owned(),
        _cache: None,
    }];
    let cache = tempfile::tempdir()?;
    let guile = Interpreter {
        name: "guile".into(),
        executable: "guile".into(),
        options: &["--r7rs"],
        variables: vec![
            ("GUILE_JIT_THRESHOLD", "-1".into()),
            ("XDG_CACHE_HOME", cache.path().into()),
        ],
        compiles: true,
        has_summary: false,
        directory: directory.to_owned(),
        _cache: Some(cache),
    };
    let chibi = Interpreter {
        name: "chibi".into(),
        executable: "chibi-scheme".into(),
        options: &[],
        variables: Vec::new(),
        compiles: false,
        has_summary: false,
        directory: directory.to_owned(),
        _cache: None,
    };
    for (interpreter, version) in [(guile, "--version"), (chibi, "-V")] {
        match Command::new(&interpreter.executable).arg(version).output() {
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                println!("{}: {}", interpreter.name, text.lines().next().unwrap_or("?"));
                all.push(interpreter);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                println!("{}: not installed", interpreter.name);
            }
            Err(error) => return Err(format!("{}: {error}", interpreter.name).into()),
        }
    }
    Ok(all)
}

impl Interpreter {
    /// Has the program compiled, where that is done by running it.
    pub(crate) fn prepare(&self, program: &str) -> Result<(), Box<dyn Error>> {
        if self.compiles {
            self.execute(program, &[])?;
        }
        Ok(())
    }

    pub(crate) fn run(&self, program: &str, size: u32) -> Result<Run, Box<dyn Error>> {
        let output = self.execute(program, &[&size.to_string(), "time"])?;
        let messages = String::from_utf8_lossy(&output.stderr);
        let seconds = messages.lines().find_map(|line| line.parse().ok());
        let seconds = seconds
            .ok_or_else(|| format!("{} {program} {size} gave no time: {messages}", self.name))?;
        let longest_stop = if self.has_summary { longest_stop(&messages) } else { None };
        Ok(Run { output: String::from_utf8(output.stdout)?, seconds, longest_stop })
    }

    fn execute(&self, program: &str, arguments: &[&str]) -> Result<Output, Box<dyn Error>> {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.directory).args(self.options);
        command.arg(format!("{program}.scm")).args(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let output = command.output()?;
        if !output.status.success() {
            let messages = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} {program}: {}: {messages}", self.name, output.status).into());
        }
        Ok(output)
    }
}

/// The longest one in the line of the summary about pauses.
fn longest_stop(summary: &str) -> Option<u64> {
    let pauses = summary.lines().find(|line| line.starts_with("pauses"))?;
    let (_, longest) = pauses.split_once("longest ")?;
    longest.split(',').next()?.parse().ok()
}
