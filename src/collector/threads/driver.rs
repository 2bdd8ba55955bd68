//! The driver: the thread that runs concurrent cycles.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::collector::Scope;
use crate::collector::shared::Shared;
use crate::object::ObjectModel;
use crate::os::thread::wake_precisely;

pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
}

impl<M: ObjectModel> Shared<M> {
    /// The driver thread: runs cycles when they are asked for.
    pub(crate) fn drive(&self) {
        wake_precisely();
        while let Some((wanted, cause)) = self.requests.begin() {
            let result = catch_unwind(AssertUnwindSafe(|| {
                let mut cycle = self.cycle.lock().expect("no panic in a collection");
                self.finish_sweep(&mut cycle);
                let scope = if wanted == Scope::Full { wanted } else { cycle.next };
                self.run_cycle(&mut cycle, scope, cause);
            }));
            if let Err(panic) = result {
                // Mutators that wait would wait for ever.
                self.requests.fail(panic_message(&*panic));
                resume_unwind(panic);
            }
            self.requests.end();
        }
    }
}
