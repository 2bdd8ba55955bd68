//! What begins with `#`.

use super::{CHARACTER_NAMES, Reader};
use crate::object::elements;
use crate::ports::{FOLD_CASE, set_port_flag};
use crate::value::Value;
use crate::vm::Outcome;

impl Reader<'_> {
    /// What follows `#`. `None` if it was a comment.
    pub(super) fn hash(&mut self, line: Value, column: Value) -> Outcome<Option<Value>> {
        match self.peek()? {
            Some('(') => {
                self.next()?;
                let list = self.elements(line, column)?;
                return self.vm.list_to_vector(list).map(Some);
            }
            Some(';') => {
                self.next()?;
                self.datum("a comment")?;
                return Ok(None);
            }
            Some('|') => return self.block_comment().map(|()| None),
            Some('\\') => return self.character().map(Some),
            Some(c) if c.is_ascii_digit() => return self.label().map(Some),
            _ => {}
        }
        let mut word = String::from("#");
        self.rest_of_word(&mut word)?;
        match word.as_str() {
            "#t" | "#true" => Ok(Some(Value::TRUE)),
            "#f" | "#false" => Ok(Some(Value::FALSE)),
            "#!fold-case" | "#!no-fold-case" => {
                set_port_flag(self.port, FOLD_CASE, word == "#!fold-case");
                Ok(None)
            }
            "#u8" if self.peek()? == Some('(') => {
                self.next()?;
                let list = self.elements(line, column)?;
                self.bytevector(list).map(Some)
            }
            "#!eof" => Ok(Some(Value::EOF)),
            // The first line of a script.
            _ if word.starts_with("#!") && line == Value::fixnum(1) => {
                while !matches!(self.next()?, None | Some('\n')) {}
                Ok(None)
            }
            _ => match self.vm.parse_number(&word, 10)? {
                Some(number) => Ok(Some(number)),
                None => Err(self.error(&format!("{word} means nothing"))),
            },
        }
    }

    fn bytevector(&mut self, list: Value) -> Outcome {
        let mut bytes = Vec::new();
        for element in elements(list) {
            match element.as_index().and_then(|byte| u8::try_from(byte).ok()) {
                Some(byte) => bytes.push(byte),
                None => return Err(self.error("an element of a bytevector that is no byte")),
            }
        }
        self.vm.bytevector(&bytes)
    }

    fn block_comment(&mut self) -> Outcome<()> {
        self.next()?;
        let mut depth = 1;
        while depth > 0 {
            match (self.must("a comment")?, self.peek()?) {
                ('|', Some('#')) => {
                    self.next()?;
                    depth -= 1;
                }
                ('#', Some('|')) => {
                    self.next()?;
                    depth += 1;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn character(&mut self) -> Outcome {
        self.next()?;
        let first = self.must("a character")?;
        let mut word = String::from(first);
        self.rest_of_word(&mut word)?;
        let mut characters = word.chars();
        if let (Some(only), None) = (characters.next(), characters.next()) {
            return Ok(Value::character(only));
        }
        let folded = word.to_lowercase();
        if let Some((_, c)) = CHARACTER_NAMES.iter().find(|(name, _)| *name == folded) {
            return Ok(Value::character(*c));
        }
        let code = folded.strip_prefix('x').and_then(|code| u32::from_str_radix(code, 16).ok());
        match code.and_then(char::from_u32) {
            Some(c) => Ok(Value::character(c)),
            None => Err(self.error(&format!("no character is named {word}"))),
        }
    }
}
