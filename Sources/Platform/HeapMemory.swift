import CPlatform

/// What the process keeps of the memory that it does not use at the moment (mallopt(3)).
///
/// By itself glibc asks the kernel for every large block and gives it back at once: a program that
/// passes gigabytes through buffers of some megabytes then has the kernel clear fresh pages for
/// every one of them, which costs as much as encrypting what they hold.
public enum HeapMemory {
    /// From now on freed blocks are kept for the next use; to be called once, at the start.
    public static func keep() { berth_keep_memory() }

    /// Gives back what is kept and not used; to be called when a large piece of work is over.
    public static func giveBack() { berth_return_memory() }
}
