//! The line editor: history in a file, completion of names.

use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Helper};

use crate::reader::is_delimiter;

use super::commands;

pub(super) struct Editor {
    editor: rustyline::Editor<Names, DefaultHistory>,
    /// Where the history is kept between sessions.
    file: Option<PathBuf>,
}

impl Editor {
    pub(super) fn new() -> Result<Self, ReadlineError> {
        let config = Config::builder().auto_add_history(false).build();
        let mut editor = rustyline::Editor::with_config(config)?;
        editor.set_helper(Some(Names::default()));
        let file = history_file();
        if let Some(file) = file.as_ref().filter(|file| file.exists())
            && let Err(error) = editor.load_history(file)
        {
            eprintln!("scheme: the history in {} cannot be read: {error}", file.display());
        }
        Ok(Self { editor, file })
    }

    pub(super) fn line(&mut self, prompt: &str) -> Result<String, ReadlineError> {
        self.editor.readline(prompt)
    }

    /// Has these names completed from now on; they are sorted.
    pub(super) fn complete_with(&mut self, names: Vec<String>) {
        self.editor.set_helper(Some(Names(names)));
    }

    /// Adds an entry to the history, at once to its file.
    pub(super) fn add_to_history(&mut self, entry: &str) {
        let entry = entry.trim_end();
        let Ok(true) = self.editor.add_history_entry(entry) else { return };
        let Some(file) = &self.file else { return };
        let saved = file.parent().map_or(Ok(()), std::fs::create_dir_all);
        let saved = saved.map_err(ReadlineError::from);
        if let Err(error) = saved.and_then(|()| self.editor.append_history(file)) {
            eprintln!("scheme: the history is not kept in {}: {error}", file.display());
            self.file = None;
        }
    }
}

/// As the XDG base directory specification has it.
fn history_file() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = variable("XDG_STATE_HOME").map(PathBuf::from);
    let state =
        state.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local/state")));
    state.map(|state| state.join("strandline/scheme-history"))
}

/// Completes names and commands.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    /// Where the word at the end of `text` begins, and what it can become.
    fn candidates(&self, text: &str) -> (usize, Vec<String>) {
        let start = text.rfind(|c| is_delimiter(c) || c == ',').map_or(0, |at| at + 1);
        let word = &text[start..];
        if text[..start].trim() == "," {
            let commands = commands::names().filter(|name| name.starts_with(word));
            return (start, commands.map(str::to_owned).collect());
        }
        let first = self.0.partition_point(|name| name.as_str() < word);
        let found = self.0[first..].iter().take_while(|name| name.starts_with(word));
        (start, found.cloned().collect())
    }
}

impl Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> Result<(usize, Vec<String>), ReadlineError> {
        Ok(self.candidates(&line[..position]))
    }
}

impl Helper for Names {}
impl Highlighter for Names {}
impl Validator for Names {}
impl Hinter for Names {
    type Hint = String;
}
