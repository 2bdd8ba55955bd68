//! The workloads on heaps that check every collection and collect all the time.

use clap::{Args, Parser};
use strandline::{HeapOptions, Sizing};

use super::*;
use crate::bintrees::BinTrees;
use crate::gcold::GcOld;
use crate::lru::Lru;
use crate::oldmut::OldMut;
use crate::server::Server;
use crate::splay::Splay;
use crate::stores::Stores;
use crate::strings::Strings;

#[derive(Parser)]
struct Line<L: Args> {
    #[command(flatten)]
    workload: L,
    #[command(flatten)]
    options: Options,
}

fn parse<L: Args>(arguments: &str) -> Line<L> {
    let arguments = arguments.split_whitespace();
    Line::try_parse_from(std::iter::once("test").chain(arguments)).unwrap()
}

/// Runs a workload with the verifier, collecting every now and then. Returns the collections.
fn verified<L: Workload + Args>(arguments: &str, stress: Option<u32>) -> u64 {
    let Line { workload, options } = parse::<L>(arguments);
    let heap_options = HeapOptions {
        limit: 32 << 20,
        sizing: Sizing::Fixed,
        verify: true,
        stress,
        ..options.heap()
    };
    let heap = Heap::new(L::Model::default(), heap_options).unwrap();
    let outcome = work(&heap, &workload, &options).unwrap();
    check(&workload, &outcome, &options).unwrap();
    heap.stats().collections
}

#[test]
fn everything_reachable_survives_constant_collection() {
    assert!(verified::<BinTrees>("6", Some(499)) > 5);
    assert!(verified::<OldMut>("2000 1 2", Some(499)) > 5);
    assert!(verified::<OldMut>("2000 1 1 16384 cluster --tracker cards", Some(499)) > 5);
    assert!(verified::<Lru>("100 150 4000", Some(97)) > 5);
    assert!(verified::<Splay>("200 1000", Some(499)) > 5);
    assert!(verified::<Strings>("2000", Some(97)) > 5);
    assert!(verified::<GcOld>("3 0 1 1 1", Some(9973)) > 5);
    assert!(verified::<Server>("50 1", Some(99991)) > 5);
}

/// An array over the size of a part is traced in parts, and the hash table grows.
#[test]
fn large_arrays_survive() {
    assert!(verified::<OldMut>("20000 32 1 100 zipf", None) > 0);
    assert!(verified::<Lru>("40000 60000 300000", None) > 0);
    verified::<Stores>("1 uniform", None);
    verified::<Stores>("1 zipf full", None);
}

/// Does nothing, and is wrong about it.
#[derive(Debug, Args)]
struct Wrong;

impl Workload for Wrong {
    const NAME: &'static str = "wrong";
    type Model = crate::model::Nodes;

    fn run<W: Writer>(&self, _: &Heap<Self::Model>, _: W, _: &Options) -> Result<Outcome, Failure> {
        Ok(Outcome { sum: 1, ..Outcome::default() })
    }

    fn expected_sum(&self, _: u64) -> u64 {
        2
    }
}

#[test]
fn a_wrong_sum_is_a_failure_of_its_own() {
    let Line { workload, options } = parse::<Wrong>("");
    let failure = run(&workload, &options).unwrap_err();
    assert!(matches!(failure, Failure::WrongSum { sum: 1, expected: 2 }), "{failure}");
    assert_eq!(failure.exit_code(), ExitCode::from(1));
}
