//! The allocator of the binaries that carry requests.

pub use mimalloc::MiMalloc;

/// Gives the system what the heap of this thread does not use any more.
///
/// mimalloc does that by and by, as it is asked for memory; nobody asks when thousands of connections have closed.
#[expect(unsafe_code, reason = "the crate has no safe function for it")]
pub fn give_back() {
    // SAFETY: may be called at any time on any thread; false has it keep what will soon be asked for again.
    unsafe { libmimalloc_sys::mi_collect(false) }
}
