//! The collectors: how they are built, and how they are called.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::plan::Job;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// This heap, as it is by default.
    Concurrent,
    /// This heap, with the world stopped for each collection.
    Stopped,
    /// This heap, with write barriers and a card table.
    Cards,
    /// This heap without a collection.
    NoCollect,
    /// The Boehm collector of the system.
    Bdwgc,
    /// malloc, and free by hand.
    Malloc,
    Go,
    JavaG1,
    JavaZ,
}

use Subject::{Bdwgc, Cards, Concurrent, Go, JavaG1, JavaZ, Malloc, NoCollect, Stopped};

impl Subject {
    pub(crate) const ALL: [Self; 9] =
        [Concurrent, Stopped, Cards, NoCollect, Bdwgc, Malloc, Go, JavaG1, JavaZ];
    pub(crate) const COLLECTORS: [Self; 6] = [Concurrent, Stopped, Bdwgc, Go, JavaG1, JavaZ];
    /// Of ours the one that is made for them.
    pub(crate) const FOR_LARGE_HEAPS: [Self; 5] = [Concurrent, Bdwgc, Go, JavaG1, JavaZ];
    pub(crate) const TRACKERS: [Self; 3] = [Concurrent, Cards, NoCollect];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Concurrent => "strandline",
            Stopped => "strandline, stopped",
            Cards => "strandline, cards",
            NoCollect => "no collection",
            Bdwgc => "bdwgc",
            Malloc => "malloc",
            Go => "Go",
            JavaG1 => "Java G1",
            JavaZ => "Java ZGC",
        }
    }

    /// Collectors that share a compiler and, more or less, an allocator.
    pub(crate) fn family(self) -> &'static str {
        match self {
            Concurrent | Stopped | Cards | NoCollect => "Rust",
            Bdwgc | Malloc => "C",
            Go => "Go",
            JavaG1 | JavaZ => "Java",
        }
    }

    /// The program that it is in.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Concurrent | Stopped | Cards | NoCollect => "workloads",
            Bdwgc => "bdwgc",
            Malloc => "malloc",
            Go => "go",
            JavaG1 | JavaZ => "java",
        }
    }

    /// Whether it reclaims what nobody refers to, without being told. Who does not takes no limit.
    pub(crate) fn collects(self) -> bool {
        !matches!(self, NoCollect | Malloc)
    }
}

/// Where programs are built, and which there are.
pub(crate) struct Workshop {
    out: PathBuf,
    workloads: PathBuf,
    subjects: Vec<Subject>,
    /// By program: a number that differs if it does.
    builds: HashMap<&'static str, String>,
}

impl Workshop {
    /// Builds whatever can be built here.
    pub(crate) fn open(out: &Path) -> Result<Self> {
        let (out, workloads) = (out.to_owned(), workloads()?);
        let (subjects, builds) = Default::default();
        let mut workshop = Self { out, workloads, subjects, builds };
        for subject in Subject::ALL {
            match workshop.build(subject) {
                Ok(()) => workshop.subjects.push(subject),
                Err(error) => eprintln!("{} is left out: {error}", subject.name()),
            }
        }
        for &subject in &workshop.subjects {
            let build = fingerprint(&workshop.program(subject))?;
            workshop.builds.insert(subject.program(), build);
        }
        Ok(workshop)
    }

    /// What is different after a change of the program that it is in. Libraries and virtual machines that
    /// are not built here are not looked at.
    pub(crate) fn build_of(&self, subject: Subject) -> &str {
        self.builds.get(subject.program()).map_or("", String::as_str)
    }

    /// Who can run here.
    pub(crate) fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    fn build(&self, subject: Subject) -> Result<()> {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let mut command = match subject {
            Concurrent | Stopped | Cards | NoCollect => return Ok(()),
            Bdwgc | Malloc => {
                let mut cc = Command::new("cc");
                cc.args(["-O3", "-DNDEBUG"]).arg(peers.join("c/main.c"));
                cc.arg("-o").arg(self.program(subject));
                if subject == Malloc {
                    cc.arg("-DFLOOR")
                } else {
                    cc.arg("-lgc")
                };
                cc.args(["-lpthread", "-lm"]);
                cc
            }
            Go => {
                let mut go = Command::new("go");
                // The same program whatever the commit.
                go.current_dir(peers.join("go")).args(["build", "-buildvcs=false"]);
                go.arg("-o").arg(self.program(subject));
                go
            }
            JavaG1 | JavaZ => {
                let mut javac = Command::new("javac");
                javac.arg("-d").arg(self.program(subject));
                let sources = std::fs::read_dir(peers.join("java"))?;
                for source in sources {
                    javac.arg(source?.path());
                }
                javac
            }
        };
        let output = command.output().map_err(|error| {
            format!("{} cannot be run: {error}", command.get_program().display())
        })?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{command:?}: {}", said.lines().next().unwrap_or("it failed")).into())
    }

    fn program(&self, subject: Subject) -> PathBuf {
        match subject {
            Concurrent | Stopped | Cards | NoCollect => self.workloads.clone(),
            _ => self.out.join(subject.program()),
        }
    }

    /// Where a run of Java says how long each stop was.
    pub(crate) fn java_log(&self) -> PathBuf {
        self.out.join("safepoints.log")
    }

    /// The command that runs a job.
    pub(crate) fn command(&self, job: &Job, subject: Subject) -> Command {
        let (program, limit) = (self.program(subject), job.limit_mib.to_string());
        let arguments = job.workload.split(' ');
        let mut command = Command::new(&program);
        match subject {
            Concurrent | Stopped | Cards | NoCollect => {
                command.args(arguments).arg("--json");
                match subject {
                    NoCollect => command.arg("--no-collect"),
                    Stopped => command.args(["--mode", "stopped", "--max-heap-mib", &limit]),
                    Cards => command.args(["--tracker", "cards", "--max-heap-mib", &limit]),
                    _ => command.args(["--max-heap-mib", &limit]),
                };
            }
            Bdwgc | Go => drop(command.arg(&limit).args(arguments)),
            Malloc => drop(command.arg("0").args(arguments)),
            JavaG1 | JavaZ => {
                command = Command::new("java");
                let collector = if subject == JavaG1 { "-XX:+UseG1GC" } else { "-XX:+UseZGC" };
                command.args([collector, "-XX:+ExitOnOutOfMemoryError"]);
                command.args([format!("-Xmx{limit}m"), format!("-Xms{limit}m")]);
                command.arg(format!("-Xlog:safepoint:file={}:none", self.java_log().display()));
                command.arg("-cp").arg(program).arg("Main").args(arguments);
            }
        }
        command
    }
}

/// The workloads example, built now.
fn workloads() -> Result<PathBuf> {
    eprintln!("building the workloads");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(crate::root());
    cargo.args(["build", "--release", "--example", "workloads", "--message-format", "json"]);
    let output = cargo.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the workloads cannot be built".into());
    }
    let messages = String::from_utf8(output.stdout)?;
    let executable = |line| {
        let message = serde_json::from_str::<serde_json::Value>(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    };
    messages.lines().find_map(executable).ok_or_else(|| "cargo names no executable".into())
}

/// A number for what is in a file, or in all files of a directory.
fn fingerprint(program: &Path) -> Result<String> {
    let mut files = vec![program.to_owned()];
    if program.is_dir() {
        let entries = std::fs::read_dir(program)?.map(|entry| Ok(entry?.path()));
        files = entries.collect::<std::io::Result<_>>()?;
        files.sort();
    }
    let mut hasher = DefaultHasher::new();
    for file in files {
        hasher.write(&std::fs::read(file)?);
    }
    Ok(format!("{:016x}", hasher.finish()))
}
