//! Ports: objects of the heap with a buffer of bytes, in front of a stream or of nothing.
//!
//! Text is UTF-8 in the buffer, so textual and binary ports, files, strings and bytevectors are
//! all the same but for where bytes come from when the buffer is empty, and go when it is full.

use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::error::ErrorKind;
use crate::object::{Type, elements};
use crate::value::Value;
use crate::vm::{Global, Outcome, Shared, Vm};

const FLAGS: usize = 0;
const BUFFER: usize = 1;
/// The next byte to read.
const POSITION: usize = 2;
/// The end of the bytes in the buffer.
const END: usize = 3;
/// The number of the stream, or `#f`.
const STREAM: usize = 4;
pub(crate) const LINE: usize = 5;
/// The column of what is read next; of an output port, 1 at the start of a line.
pub(crate) const COLUMN: usize = 6;
pub(crate) const NAME: usize = 7;
const SLOTS: usize = 8;

pub(crate) const INPUT: usize = 1;
pub(crate) const OUTPUT: usize = 2;
pub(crate) const TEXTUAL: usize = 4;
pub(crate) const BINARY: usize = 8;
const OPEN: usize = 16;
pub(crate) const FOLD_CASE: usize = 32;

const BUFFER_BYTES: usize = 8 << 10;

pub(crate) fn port_has(port: Value, flags: usize) -> bool {
    port.is(Type::Port) && port.slot(FLAGS).as_fixnum() as usize & flags == flags
}

pub(crate) fn port_is_open(port: Value, direction: usize) -> bool {
    port_has(port, OPEN | direction)
}

pub(crate) fn set_port_flag(port: Value, flag: usize, on: bool) {
    let flags = port.slot(FLAGS).as_fixnum() as usize;
    port.set_slot(FLAGS, Value::index(if on { flags | flag } else { flags & !flag }));
}

fn position(port: Value) -> usize {
    port.slot(POSITION).as_fixnum() as usize
}

fn end(port: Value) -> usize {
    port.slot(END).as_fixnum() as usize
}

/// Whether what was written last to an output port ended a line.
pub(crate) fn at_line_start(port: Value) -> bool {
    port.slot(COLUMN) == Value::fixnum(1)
}

/// Takes what is in the buffer of a line that ends, but for spaces.
pub(crate) fn skip_buffered_blanks(port: Value) {
    let buffer = &port.slot(BUFFER).bytes()[position(port)..end(port)];
    let blank = buffer.iter().take_while(|byte| b" \t\r".contains(byte)).count();
    if buffer.get(blank) == Some(&b'\n') {
        port.set_slot(POSITION, Value::index(position(port) + blank + 1));
        port.set_slot(LINE, Value::fixnum(port.slot(LINE).as_fixnum() + 1));
        port.set_slot(COLUMN, Value::fixnum(1));
    }
}

/// The bytes that were written to a port and are still in the buffer.
pub(crate) fn written<'a>(port: Value) -> &'a [u8] {
    &port.slot(BUFFER).bytes()[..end(port)]
}

impl Vm {
    /// A port on a stream, or on nothing.
    pub(crate) fn port(&mut self, flags: usize, stream: Option<usize>, name: &str) -> Outcome {
        let bytes = if stream.is_some() { BUFFER_BYTES } else { 64 };
        let buffer = self.leaf(Type::Bytevector, bytes, bytes)?;
        self.port_with(flags, stream, name, buffer, 0)
    }

    fn port_with(
        &mut self,
        flags: usize,
        stream: Option<usize>,
        name: &str,
        buffer: Value,
        filled: usize,
    ) -> Outcome {
        let name = self.string(name)?;
        let port = self.object(Type::Port, SLOTS)?;
        port.set_slot(FLAGS, Value::index(flags | OPEN));
        port.set_slot(BUFFER, buffer);
        port.set_slot(END, Value::index(filled));
        port.set_slot(STREAM, stream.map_or(Value::FALSE, Value::index));
        port.set_slot(LINE, Value::fixnum(1));
        port.set_slot(COLUMN, Value::fixnum(1));
        port.set_slot(NAME, name);
        if flags & OUTPUT != 0 && stream.is_some() {
            // Remembered, so that what is in the buffer at the end is not lost.
            let guarded = Arc::clone(&self.shared);
            let _guard = self.lock(&guarded.output);
            let open = self.cons(port, guarded.get(Global::Output))?;
            guarded.set(Global::Output, open);
        }
        Ok(port)
    }

    /// An input port that reads some bytes.
    pub(crate) fn port_on(&mut self, flags: usize, name: &str, bytes: &[u8]) -> Outcome {
        let buffer = self.bytevector(bytes)?;
        self.port_with(flags | INPUT, None, name, buffer, bytes.len())
    }

    /// Keeps other threads from all input ports, if there are other threads.
    fn input_guard<'a>(&mut self, shared: &'a Arc<Shared>) -> Option<MutexGuard<'a, ()>> {
        shared.threads.any().then(|| self.lock(&shared.input))
    }

    /// Keeps other threads from all output ports, if there are other threads. Taken after the guard
    /// of input, where both are: who waits for input flushes output.
    fn output_guard<'a>(&mut self, shared: &'a Arc<Shared>) -> Option<MutexGuard<'a, ()>> {
        shared.threads.any().then(|| self.lock(&shared.output))
    }

    /// Makes sure that there is a byte to read. False at the end.
    fn fill(&mut self, port: Value) -> Outcome<bool> {
        if position(port) < end(port) {
            return Ok(true);
        }
        let Some(number) = port.slot(STREAM).as_index() else { return Ok(false) };
        if number == 0 {
            self.flush_all()?;
        }
        let Some(stream) = self.shared.process.stream(number) else { return Ok(false) };
        let mut bytes = [0; BUFFER_BYTES];
        // Into memory outside the heap: the collector does not wait for the stream.
        match self.mutator.blocking(|| stream.read(&mut bytes)) {
            Ok(count) => {
                port.slot(BUFFER).bytes_mut()[..count].copy_from_slice(&bytes[..count]);
                port.set_slot(POSITION, Value::ZERO);
                port.set_slot(END, Value::index(count));
                Ok(count > 0)
            }
            Err(error) => Err(self.stream_error("cannot read", port, &error)),
        }
    }

    fn stream_error(&mut self, what: &str, port: Value, error: &std::io::Error) -> Value {
        let message = format!("{what}: {error}");
        self.error_of(ErrorKind::File, &message, &[port.slot(NAME)])
    }

    pub(crate) fn read_byte(&mut self, port: Value, take: bool) -> Outcome<Option<u8>> {
        let shared = Arc::clone(&self.shared);
        let _guard = self.input_guard(&shared);
        self.byte(port, take)
    }

    fn byte(&mut self, port: Value, take: bool) -> Outcome<Option<u8>> {
        if !self.fill(port)? {
            return Ok(None);
        }
        let at = position(port);
        if take {
            port.set_slot(POSITION, Value::index(at + 1));
        }
        Ok(port.slot(BUFFER).bytes().get(at).copied())
    }

    /// The next character, taken or only looked at.
    pub(crate) fn read_character(&mut self, port: Value, take: bool) -> Outcome<Option<char>> {
        let shared = &raw const self.shared;
        // SAFETY: the machine lives as long as this call, and its `shared` is never replaced.
        let _guard = self.input_guard(unsafe { &*shared });
        let Some(first) = self.byte(port, false)? else { return Ok(None) };
        let (c, length) = if first < 0x80 { (char::from(first), 1) } else { self.decode(port)? };
        if take {
            port.set_slot(POSITION, Value::index(position(port) + length));
            if c == '\n' {
                port.set_slot(LINE, Value::fixnum(port.slot(LINE).as_fixnum() + 1));
                port.set_slot(COLUMN, Value::fixnum(1));
            } else {
                port.set_slot(COLUMN, Value::fixnum(port.slot(COLUMN).as_fixnum() + 1));
            }
        }
        Ok(Some(c))
    }

    /// The character of several bytes that begins at the position; wrong bytes are U+FFFD.
    fn decode(&mut self, port: Value) -> Outcome<(char, usize)> {
        let first = port.slot(BUFFER).bytes()[position(port)];
        let length = match first {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        if end(port) - position(port) < length {
            self.fill_more(port, length)?;
        }
        let bytes = &port.slot(BUFFER).bytes()[position(port)..end(port)];
        let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
        Ok(text.and_then(|text| text.chars().next()).map_or(('\u{fffd}', 1), |c| (c, length)))
    }

    /// Moves what is left to the front and reads behind it, until there are `count` bytes.
    fn fill_more(&mut self, port: Value, count: usize) -> Outcome<()> {
        let stream = port.slot(STREAM).as_index();
        let Some(stream) = stream.and_then(|number| self.shared.process.stream(number)) else {
            return Ok(());
        };
        let (from, to) = (position(port), end(port));
        port.slot(BUFFER).bytes_mut().copy_within(from..to, 0);
        let mut filled = to - from;
        let mut bytes = [0; 4];
        while filled < count {
            let wanted = &mut bytes[..count - filled];
            match self.mutator.blocking(|| stream.read(wanted)) {
                Ok(0) => break,
                Ok(got) => {
                    let target = &mut port.slot(BUFFER).bytes_mut()[filled..filled + got];
                    target.copy_from_slice(&bytes[..got]);
                    filled += got;
                }
                Err(error) => return Err(self.stream_error("cannot read", port, &error)),
            }
        }
        port.set_slot(POSITION, Value::ZERO);
        port.set_slot(END, Value::index(filled));
        Ok(())
    }

    /// Whether a byte can be read without waiting, as far as the buffer can tell.
    pub(crate) fn has_input(&mut self, port: Value) -> Outcome<bool> {
        Ok(position(port) < end(port) || port.slot(STREAM).as_index() != Some(0))
    }

    pub(crate) fn write_text(&mut self, port: Value, text: &str) -> Outcome<()> {
        self.write_bytes(port, text.as_bytes())
    }

    pub(crate) fn write_bytes(&mut self, port: Value, bytes: &[u8]) -> Outcome<()> {
        let shared = Arc::clone(&self.shared);
        let _guard = self.output_guard(&shared);
        if let Some(last) = bytes.last() {
            port.set_slot(COLUMN, Value::fixnum(if *last == b'\n' { 1 } else { 2 }));
        }
        let mut room = port.slot(BUFFER).length() - end(port);
        if bytes.len() > room {
            if port.slot(STREAM).is_fixnum() {
                self.flush_port(port)?;
                if bytes.len() > BUFFER_BYTES {
                    return self.write_through(port, bytes);
                }
            } else {
                self.grow(port, bytes.len())?;
            }
            room = port.slot(BUFFER).length() - end(port);
        }
        debug_assert!(bytes.len() <= room);
        let at = end(port);
        port.slot(BUFFER).bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        port.set_slot(END, Value::index(at + bytes.len()));
        if port.slot(STREAM).as_index() == Some(2) {
            self.flush_port(port)?;
        }
        Ok(())
    }

    fn grow(&mut self, port: Value, more: usize) -> Outcome<()> {
        let old = port.slot(BUFFER);
        let length = (old.length() * 2).max(end(port) + more);
        let new = self.leaf(Type::Bytevector, length, length)?;
        new.bytes_mut()[..end(port)].copy_from_slice(&old.bytes()[..end(port)]);
        port.set_slot(BUFFER, new);
        Ok(())
    }

    pub(crate) fn flush(&mut self, port: Value) -> Outcome<()> {
        let shared = Arc::clone(&self.shared);
        let _guard = self.output_guard(&shared);
        self.flush_port(port)
    }

    fn flush_port(&mut self, port: Value) -> Outcome<()> {
        if !port.slot(STREAM).is_fixnum() || end(port) == 0 {
            return Ok(());
        }
        let bytes = written(port).to_vec();
        port.set_slot(END, Value::ZERO);
        self.write_through(port, &bytes)
    }

    fn write_through(&mut self, port: Value, bytes: &[u8]) -> Outcome<()> {
        let stream = port.slot(STREAM).as_index();
        let stream = stream.and_then(|number| self.shared.process.stream(number));
        let Some(stream) = stream else { return Ok(()) };
        let bytes = bytes.to_vec();
        match self.mutator.blocking(|| stream.write_all(&bytes)) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.stream_error("cannot write", port, &error)),
        }
    }

    /// Flushes every open output port.
    pub(crate) fn flush_all(&mut self) -> Outcome<()> {
        let shared = Arc::clone(&self.shared);
        let _guard = self.output_guard(&shared);
        for port in elements(shared.get(Global::Output)) {
            self.flush_port(port)?;
        }
        Ok(())
    }

    /// Closes one direction of a port, or both.
    pub(crate) fn close_port(&mut self, port: Value) -> Outcome<()> {
        if !port_has(port, OPEN) {
            return Ok(());
        }
        let result = if port_has(port, OUTPUT) { self.flush(port) } else { Ok(()) };
        set_port_flag(port, OPEN, false);
        if let Some(number) = port.slot(STREAM).as_index() {
            self.shared.process.close(number);
            self.forget_port(port);
        }
        result
    }

    fn forget_port(&mut self, port: Value) {
        let shared = Arc::clone(&self.shared);
        let _guard = self.lock(&shared.output);
        let mut rest = shared.get(Global::Output);
        if rest.is_pair() && rest.car() == port {
            shared.set(Global::Output, rest.cdr());
            return;
        }
        while rest.is_pair() && rest.cdr().is_pair() {
            if rest.cdr().car() == port {
                rest.set_cdr(rest.cdr().cdr());
                return;
            }
            rest = rest.cdr();
        }
    }
}
