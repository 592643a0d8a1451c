import CPlatform
import Glibc
import Platform

/// Swaps what two paths lead to, at once: no moment passes in which either is missing.
///
/// Both may be directories or subvolumes, of the same file system and within the same subvolume;
/// afterwards both directories are synced (renameat2(2), RENAME_EXCHANGE).
/// - Throws: `BtrfsError` when nothing was swapped; `PlatformError` when the swap cannot be made
///   durable.
public func exchangeNames(_ one: String, _ other: String) throws {
    try btrfsCall("exchange \(one) and \(other)") {
        unsafe berth_renameat2(AT_FDCWD, one, AT_FDCWD, other, UInt32(BERTH_RENAME_EXCHANGE))
    }
    try DurableFile.syncDirectory(of: one)
    try DurableFile.syncDirectory(of: other)
}
