//! What all of it ran on, without names.

use std::process::Command;

/// How the tools that peers are built with and run on tell their version.
const TOOLS: [(&str, &str, &[&str]); 4] = [
    ("bdwgc", "pkg-config", &["--modversion", "bdw-gc"]),
    ("C", "cc", &["--version"]),
    ("Go", "go", &["version"]),
    ("Java", "java", &["--version"]),
];

/// The machine, the kernel, the versions of the tools that are there, and how to read the tables.
pub(crate) fn describe() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let kib = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok());
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let release = read("/proc/sys/kernel/osrelease");
    let tools: Vec<_> = TOOLS.into_iter().filter_map(version).collect();
    format!(
        "Linux {}, {processors} processors ({}), {:.0} GiB of memory. {}.\n\n\
         Medians; the number of runs of each is in `results.csv`. \"oom\" is out of memory, \"-\" what does not \
         apply, and an empty cell what was not measured.\n",
        upstream(&release),
        model.unwrap_or("unknown"),
        kib.unwrap_or(0.0) / f64::from(1 << 20),
        tools.join("; "),
    )
}

/// The version of a kernel, without what the one who built it has added.
fn upstream(release: &str) -> &str {
    release.trim().split('-').next().unwrap_or_default()
}

/// The first line that a tool says of its version.
fn version((name, program, arguments): (&str, &str, &[&str])) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(format!("{name}: {}", said.lines().next()?.trim()))
}
