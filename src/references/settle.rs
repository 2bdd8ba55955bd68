//! Settling: what a collection decides about the cells.
//!
//! ```text
//!  while the program runs     pass: values of live ephemerons are marked; what waits is indexed
//!  in the last stop, when     pass, until no value is left to mark
//!  nothing is left to trace   clear the weak references to what is not marked; hand the guarded
//!                             objects over: they are roots now. If there were any, mark and repeat
//!                             finish: what is still not marked is gone
//! ```
//!
//! **Nothing is decided before marking is complete.** At the point where references are cleared and
//! objects handed over, the world is stopped, nothing is owed and nothing is left to trace, so what
//! is not marked cannot be reached, now or later, but through these very cells. What is done there
//! stays right if the stop gives up afterwards because handed-over objects are too much to trace in
//! time: they are roots from then on, and the cycle goes on as after any stop that was late.
//!
//! **Reading is safe without asking the collector.** A mutator that reads a reference runs, so the
//! world is not stopped and nothing is being cleared. What it has read is in a register, on the
//! stack, in a handle or in an object whose page is dirty now, and the last stop looks at all of
//! these before it decides anything.

use super::cells::{Cell, CellId, Role};
use super::tables::{Found, State, Tables};
use crate::object::ObjectRef;

/// Cells that are looked at before others get a chance at the lock.
const BATCH: usize = 1024;

/// What is known of a cell, given what was found so far.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Its holder and its referent are alive. What it keeps, if that is still to be marked.
    Settled { keeps: Option<ObjectRef> },
    /// It is nothing yet, without this object.
    Waits { object: usize },
    /// What it keeps cannot be looked at before the next stop.
    NotYet,
}

/// What one collection has still to decide.
#[derive(Debug)]
pub(crate) struct Settling {
    /// Whether all cells are still to be looked at.
    all: bool,
    /// Cells that are not settled: those with a value that is a reference, and the others.
    carriers: Vec<u32>,
    plain: Vec<u32>,
    /// What has been cleared for good, for the verifier.
    pub(super) gone: Option<Vec<usize>>,
}

impl Settling {
    /// For a collection of the whole heap, or of the young objects. With `remember` the verifier can
    /// ask what has been cleared.
    pub(crate) fn new(full: bool, remember: bool) -> Self {
        let gone = remember.then(Vec::new);
        Self { all: full, carriers: Vec::new(), plain: Vec::new(), gone }
    }

    /// Looks at what is new and at what was not settled. Returns objects that are alive because of
    /// it and are still to be marked.
    pub(crate) fn pass(&mut self, tables: &Tables, found: Found<'_>) -> Vec<ObjectRef> {
        let mut values = Vec::new();
        let mut cells = std::mem::take(&mut self.carriers);
        let mut state = tables.lock();
        tables.forget_waiting(&mut state.waiting);
        let fresh = std::mem::take(&mut state.fresh);
        for &index in &fresh {
            tables.cells.get(index).set_listed(false);
        }
        let made = state.made;
        drop(state);
        if std::mem::take(&mut self.all) {
            self.look(tables, found, 0..made, &mut values);
        } else {
            cells.extend(fresh);
        }
        self.look(tables, found, cells, &mut values);
        values
    }

    fn look(
        &mut self,
        tables: &Tables,
        found: Found<'_>,
        cells: impl IntoIterator<Item = u32>,
        values: &mut Vec<ObjectRef>,
    ) {
        let mut cells = cells.into_iter().peekable();
        while cells.peek().is_some() {
            let mut state = tables.lock();
            for index in cells.by_ref().take(BATCH) {
                self.look_at(tables, &mut state, found, index, values);
            }
        }
    }

    fn look_at(
        &mut self,
        tables: &Tables,
        state: &mut State,
        found: Found<'_>,
        index: u32,
        values: &mut Vec<ObjectRef>,
    ) {
        state.looks += 1;
        let cell = tables.cells.get(index);
        let carries = cell.role().has_value();
        match tables.judge(cell, found) {
            Verdict::Settled { keeps } => return values.extend(keeps),
            Verdict::Waits { object } if carries => {
                tables.wait(&mut state.waiting, index, object);
            }
            Verdict::Waits { .. } | Verdict::NotYet => {}
        }
        if carries { self.carriers.push(index) } else { self.plain.push(index) }
    }

    /// Everything that can be reached is marked: clears the weak references to what is not, and
    /// hands the guarded objects over. Returns these; they are to be marked.
    pub(crate) fn hand_over(&mut self, tables: &Tables, found: Found<'_>) -> Vec<ObjectRef> {
        let state = tables.lock();
        let mut revived = Vec::new();
        self.plain.retain(|&index| {
            let cell = tables.cells.get(index);
            let key = cell.key();
            if key == 0 || found.is_marked(key) {
                return is_unheld(cell, found);
            }
            match cell.role() {
                Role::Weak => {
                    tables.empty(&state, cell);
                    return is_unheld(cell, found);
                }
                Role::Guarded if !is_unheld(cell, found) => {
                    if let Some(queue) = tables.guardian_of(&state, cell) {
                        cell.hand_over();
                        queue.push(CellId::new(index, cell.generation()));
                        revived.push(ObjectRef::at(key));
                        return false;
                    }
                }
                _ => {}
            }
            true
        });
        revived
    }

    /// Everything that will be marked is: what is not marked is gone.
    pub(crate) fn finish(&mut self, tables: &Tables, found: Found<'_>) {
        let mut state = tables.lock();
        tables.forget_waiting(&mut state.waiting);
        let cells = std::mem::take(&mut self.carriers);
        for index in cells.into_iter().chain(std::mem::take(&mut self.plain)) {
            let cell = tables.cells.get(index);
            let (role, key) = (cell.role(), cell.key());
            let dead = key != 0 && !found.is_marked(key);
            if role == Role::Free || !(dead || is_unheld(cell, found)) {
                continue;
            }
            if dead && let Some(gone) = &mut self.gone {
                gone.push(key);
            }
            if is_unheld(cell, found) || role == Role::Charge {
                tables.release(&mut state, index, cell);
            } else {
                tables.empty(&state, cell);
            }
        }
    }
}

/// Whether the object that owns a cell was not found.
fn is_unheld(cell: &Cell, found: Found<'_>) -> bool {
    let holder = cell.holder();
    holder != 0 && !found.is_marked(holder)
}

impl Tables {
    /// What is known of a cell.
    pub(super) fn judge(&self, cell: &Cell, found: Found<'_>) -> Verdict {
        let role = cell.role();
        let needs = [cell.holder(), cell.key()];
        let missing = needs.into_iter().find(|&object| object != 0 && !found.is_marked(object));
        let value = cell.value();
        match missing {
            _ if role == Role::Free => Verdict::Settled { keeps: None },
            Some(object) => Verdict::Waits { object },
            None if !role.has_value() || value == 0 || found.is_marked(value) => {
                Verdict::Settled { keeps: None }
            }
            None if found.is_owned(value) => Verdict::NotYet,
            None => Verdict::Settled { keeps: Some(ObjectRef::at(value)) },
        }
    }
}
