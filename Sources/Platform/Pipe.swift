import CPlatform
import Glibc

/// A pipe between this program and a child: both ends close-on-exec, our end without blocking.
struct Pipe: ~Copyable {
    let ours: Descriptor
    let theirs: Descriptor

    /// What this program does with its end.
    enum Use {
        case reading
        case writing
    }

    init(ours use: Use) throws {
        var ends: [Int32] = [-1, -1]
        try systemCall("make a pipe") { unsafe berth_pipe(&ends) }
        let number = use == .reading ? ends[0] : ends[1]
        // Setting a flag of an open descriptor cannot fail (fcntl(2), F_SETFL).
        _ = berth_fcntl_set_flags(number, O_NONBLOCK)
        ours = Descriptor(owning: number)
        theirs = Descriptor(owning: use == .reading ? ends[1] : ends[0])
    }

    /// Closes the child's end, which the child has its own copy of.
    consuming func keepOurs() -> Descriptor { ours }
}
