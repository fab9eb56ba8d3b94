//! What the allocator does not do by itself.
#![allow(unsafe_code, reason = "the call has no safe wrapper; it says why it is sound")]

/// Gives all free pages back to the system.
///
/// glibc by itself only cuts a thread's memory from its end, where pieces may lie that the thread's cache still held when
/// all else was freed. Each of the workers' heaps is locked for as long as it is looked through.
///
/// <https://man7.org/linux/man-pages/man3/malloc_trim.3.html>
pub(super) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, moves nothing in use, and may be called from any thread at any time.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
