//! Text to data.

mod hash;
mod labels;

use crate::error::{CONDITION_LOCATION, ErrorKind};
use crate::numbers::is_number_text;
use crate::object::{Type, list_length};
use crate::ports::{COLUMN, FOLD_CASE, LINE, NAME, port_has};
use crate::value::Value;
use crate::vm::{Outcome, Vm};

pub(crate) const CHARACTER_NAMES: [(&str, char); 11] = [
    ("alarm", '\u{7}'),
    ("backspace", '\u{8}'),
    ("delete", '\u{7f}'),
    ("escape", '\u{1b}'),
    ("newline", '\n'),
    ("null", '\0'),
    ("return", '\r'),
    ("space", ' '),
    ("tab", '\t'),
    ("nul", '\0'),
    ("linefeed", '\n'),
];

pub(crate) fn is_delimiter(c: char) -> bool {
    c.is_whitespace() || matches!(c, '(' | ')' | '"' | ';' | '\'' | '|')
}

/// Whether a symbol of this name reads back without bars.
pub(crate) fn is_plain_symbol(name: &str) -> bool {
    let starts_well = !name.is_empty() && name != "." && !name.starts_with('#');
    starts_well
        && name.chars().all(|c| !is_delimiter(c) && !c.is_control() && !"`,\\".contains(c))
        && !is_number_text(name)
}

/// Reads data from a port.
pub(crate) struct Reader<'v> {
    vm: &'v mut Vm,
    port: Value,
    /// A table of where the lists are, or `#f`.
    positions: Value,
    /// Labels: an association list of numbers with boxes, whose content replaces them in the end.
    labels: Value,
}

/// A place as it is in a table of positions.
pub(crate) fn place_of(line: Value, column: Value) -> Value {
    Value::fixnum(line.as_fixnum() << 20 | column.as_fixnum().min(0xfffff))
}

/// Something between data.
enum Item {
    Datum(Value),
    Close,
    Dot,
    End,
}

impl Vm {
    /// Reads a datum; the end-of-file object at the end. With a table of positions, notes where
    /// each list begins, as `line << 20 | column`.
    pub(crate) fn read_datum(&mut self, port: Value, positions: Value) -> Outcome {
        let mut reader = Reader { vm: self, port, positions, labels: Value::NIL };
        match reader.item()? {
            Item::Datum(datum) if reader.labels.is_nil() => Ok(datum),
            Item::Datum(datum) => reader.resolve(datum),
            Item::Close => Err(reader.error("unexpected )")),
            Item::Dot => Err(reader.error("unexpected .")),
            Item::End => Ok(Value::EOF),
        }
    }
}

impl Reader<'_> {
    fn error(&mut self, message: &str) -> Value {
        self.error_of(ErrorKind::Read, message)
    }

    fn incomplete(&mut self, what: &str) -> Value {
        self.error_of(ErrorKind::Incomplete, &format!("end of file in {what}"))
    }

    fn error_of(&mut self, kind: ErrorKind, message: &str) -> Value {
        let (line, column) = (self.port.slot(LINE), self.port.slot(COLUMN));
        let name = self.port.slot(NAME).text();
        let place = format!("{name}:{}:{}", line.as_fixnum(), column.as_fixnum());
        let condition = self.vm.error_of(kind, message, &[]);
        if let Ok(place) = self.vm.string(&place) {
            condition.set_slot(CONDITION_LOCATION, place);
        }
        condition
    }

    fn peek(&mut self) -> Outcome<Option<char>> {
        self.vm.read_character(self.port, false)
    }

    fn next(&mut self) -> Outcome<Option<char>> {
        self.vm.read_character(self.port, true)
    }

    /// The next character, which must be there.
    fn must(&mut self, what: &str) -> Outcome<char> {
        match self.next()? {
            Some(c) => Ok(c),
            None => Err(self.incomplete(what)),
        }
    }

    fn item(&mut self) -> Outcome<Item> {
        self.vm.check_native_stack("read")?;
        loop {
            let (line, column) = (self.port.slot(LINE), self.port.slot(COLUMN));
            let Some(c) = self.next()? else { return Ok(Item::End) };
            let datum = match c {
                _ if c.is_whitespace() => continue,
                ';' => {
                    while !matches!(self.next()?, None | Some('\n')) {}
                    continue;
                }
                '(' | '[' => self.list(line, column)?,
                ')' | ']' => return Ok(Item::Close),
                '\'' => self.quotation("quote", line, column)?,
                '`' => self.quotation("quasiquote", line, column)?,
                ',' if self.peek()? == Some('@') => {
                    self.next()?;
                    self.quotation("unquote-splicing", line, column)?
                }
                ',' => self.quotation("unquote", line, column)?,
                '"' => {
                    let text = self.delimited('"', "a string")?;
                    self.vm.string(&text)?
                }
                '#' => match self.hash(line, column)? {
                    Some(datum) => datum,
                    None => continue,
                },
                _ => return self.word(c),
            };
            return Ok(Item::Datum(datum));
        }
    }

    /// A datum that must be there.
    fn datum(&mut self, what: &str) -> Outcome {
        match self.item()? {
            Item::Datum(datum) => Ok(datum),
            Item::End => Err(self.incomplete(what)),
            Item::Close | Item::Dot => Err(self.error(&format!("no datum in {what}"))),
        }
    }

    fn note(&mut self, pair: Value, line: Value, column: Value) -> Outcome<()> {
        if self.positions.is(Type::Table) {
            self.vm.table_put(self.positions, pair, place_of(line, column))?;
        }
        Ok(())
    }

    fn quotation(&mut self, name: &str, line: Value, column: Value) -> Outcome {
        let datum = self.datum("a quotation")?;
        let symbol = self.vm.symbol(name)?;
        let list = self.vm.list(&[symbol, datum])?;
        self.note(list, line, column)?;
        Ok(list)
    }

    fn list(&mut self, line: Value, column: Value) -> Outcome {
        let (mut head, mut last) = (Value::NIL, Value::NIL);
        loop {
            match self.item()? {
                Item::Datum(datum) => {
                    let pair = self.vm.cons(datum, Value::NIL)?;
                    if head.is_nil() {
                        head = pair;
                        self.note(head, line, column)?;
                    } else {
                        last.set_cdr(pair);
                    }
                    last = pair;
                }
                Item::Close => return Ok(head),
                Item::Dot if head.is_nil() => return Err(self.error("no datum before .")),
                Item::Dot => {
                    last.set_cdr(self.datum("a dotted list")?);
                    return match self.item()? {
                        Item::Close => Ok(head),
                        Item::End => Err(self.incomplete("a list")),
                        _ => Err(self.error("more than one datum after .")),
                    };
                }
                Item::End => {
                    let message = format!("a list that begins in line {}", line.as_fixnum());
                    return Err(self.incomplete(&message));
                }
            }
        }
    }

    /// What is in a vector: a list that is not dotted.
    pub(super) fn elements(&mut self, line: Value, column: Value) -> Outcome {
        let list = self.list(line, column)?;
        match list_length(list) {
            Some(_) => Ok(list),
            None => Err(self.error("a dot in a vector")),
        }
    }

    /// The text up to a quote, with its escapes.
    fn delimited(&mut self, quote: char, what: &str) -> Outcome<String> {
        let mut text = String::new();
        loop {
            match self.must(what)? {
                c if c == quote => return Ok(text),
                '\\' => self.escape(&mut text, what)?,
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self, text: &mut String, what: &str) -> Outcome<()> {
        match self.must(what)? {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'a' => text.push('\u{7}'),
            'b' => text.push('\u{8}'),
            'x' | 'X' => {
                let mut digits = String::new();
                loop {
                    match self.must(what)? {
                        ';' => break,
                        c => digits.push(c),
                    }
                }
                match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                    Some(c) => text.push(c),
                    None => return Err(self.error(&format!("no character has the code {digits}"))),
                }
            }
            c if c.is_whitespace() => return self.line_continuation(c),
            c => text.push(c),
        }
        Ok(())
    }

    /// A backslash at the end of a line: the line end and the spaces around it do not count.
    fn line_continuation(&mut self, first: char) -> Outcome<()> {
        let mut c = first;
        while c != '\n' && c.is_whitespace() {
            c = self.must("a string")?;
        }
        while matches!(self.peek()?, Some(' ' | '\t')) {
            self.next()?;
        }
        Ok(())
    }

    fn rest_of_word(&mut self, word: &mut String) -> Outcome<()> {
        while let Some(c) = self.peek()? {
            if is_delimiter(c) || matches!(c, '[' | ']') {
                break;
            }
            word.push(c);
            self.next()?;
        }
        Ok(())
    }

    fn word(&mut self, first: char) -> Outcome<Item> {
        let mut word = String::new();
        let mut is_symbol = first == '|';
        if is_symbol {
            word = self.delimited('|', "a symbol")?;
        } else {
            word.push(first);
        }
        self.rest_of_word(&mut word)?;
        while self.peek()? == Some('|') {
            is_symbol = true;
            self.next()?;
            word += &self.delimited('|', "a symbol")?;
            self.rest_of_word(&mut word)?;
        }
        if word == "." && !is_symbol {
            return Ok(Item::Dot);
        }
        if !is_symbol && let Some(number) = self.vm.parse_number(&word, 10)? {
            return Ok(Item::Datum(number));
        }
        if port_has(self.port, FOLD_CASE) && !is_symbol {
            word = word.to_lowercase();
        }
        self.vm.symbol(&word).map(Item::Datum)
    }
}
