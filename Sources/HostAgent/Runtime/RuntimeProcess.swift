/// The process that a project's runtime began with, for certain: the number may be used again, the
/// number with the start time and the boot is not.
struct RuntimeProcess: Sendable, Hashable {
    let pid: Int32
    /// In clock ticks since the machine was started.
    let startTime: UInt64
    /// The kernel's id of the boot.
    let boot: String
}
