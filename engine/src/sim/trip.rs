//! A wire across the rules: whoever crosses it often enough falls, with its work half done.

use std::cell::Cell;
use std::panic::resume_unwind;

thread_local! {
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

/// Has whoever crosses it as the so-manyth of this thread fall; nobody, for 0.
pub(crate) fn stretch(crossings: u64) {
    LEFT.set(crossings);
}

/// Whether somebody will fall.
pub(crate) fn is_stretched() -> bool {
    LEFT.get() > 0
}

/// Crosses it, without a word: simulations do this a thousand times.
pub(crate) fn cross() {
    match LEFT.get() {
        0 => {}
        left => {
            LEFT.set(left - 1);
            if left == 1 {
                resume_unwind(Box::new("tripped"));
            }
        }
    }
}
