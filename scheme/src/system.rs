//! What the process has from the operating system: streams, arguments, an end.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::timeline::Timeline;

/// An open file or one of the standard streams.
#[derive(Debug, Clone)]
pub(crate) enum Stream {
    Stdin,
    Stdout,
    Stderr,
    File(Arc<File>),
}

impl Stream {
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stdin => io::stdin().read(buffer),
            Self::File(file) => (&**file).read(buffer),
            Self::Stdout | Self::Stderr => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
            Self::Stderr => io::stderr().write_all(bytes),
            Self::File(file) => (&**file).write_all(bytes),
            Self::Stdin => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// The open streams by number. A port in the heap names its stream by that.
pub(crate) struct Process {
    streams: Mutex<Vec<Option<Stream>>>,
    pub(crate) arguments: Vec<String>,
    /// Print a summary of the collector's work at the end.
    pub(crate) gc_stats: bool,
    /// To be completed at the end.
    pub(crate) timeline: Option<Arc<Timeline>>,
}

impl Process {
    pub(crate) fn new(
        arguments: Vec<String>,
        gc_stats: bool,
        timeline: Option<Arc<Timeline>>,
    ) -> Self {
        let streams = [Stream::Stdin, Stream::Stdout, Stream::Stderr].map(Some).into();
        Self { streams: Mutex::new(streams), arguments, gc_stats, timeline }
    }

    fn streams(&self) -> MutexGuard<'_, Vec<Option<Stream>>> {
        self.streams.lock()
    }

    /// Adds an open file; its number.
    pub(crate) fn open(&self, file: File) -> usize {
        let mut streams = self.streams();
        let stream = Some(Stream::File(Arc::new(file)));
        match streams.iter().position(Option::is_none) {
            Some(free) => {
                streams[free] = stream;
                free
            }
            None => {
                streams.push(stream);
                streams.len() - 1
            }
        }
    }

    pub(crate) fn stream(&self, number: usize) -> Option<Stream> {
        self.streams().get(number).cloned().flatten()
    }

    /// Closes a file. The standard streams stay open.
    pub(crate) fn close(&self, number: usize) {
        if number > 2
            && let Some(stream) = self.streams().get_mut(number)
        {
            *stream = None;
        }
    }
}
