import CPlatform
import Glibc
import Platform

/// Writes a node's metadata onto what was created for it, in the order that keeps all of it: owner,
/// mode, extended attributes (a change of owner drops capabilities), times last.
enum RestoreMetadata {
    /// A file or directory that is open.
    ///
    /// - Parameters:
    ///   - isolates: whether attributes that the node does not have are removed, because the target
    ///     passes some on to what is created in it.
    ///   - hasMode: whether it was made with its mode.
    static func apply(
        _ node: Node, to descriptor: Int32, isolates: Bool, hasMode: Bool = false
    ) throws {
        try systemCall("fchown") { fchown(descriptor, node.uid, node.gid) }
        if !hasMode {
            try systemCall("fchmod") { fchmod(descriptor, node.mode.permissions) }
        }
        if isolates {
            let present = try FileSystemAttributes.read(of: descriptor)
            for name in surplus(present, over: node) {
                try systemCall("remove the attribute \(text(name))") {
                    unsafe CName.with(name) { unsafe berth_fremovexattr(descriptor, $0) }
                }
            }
        }
        for attribute in node.extendedAttributes {
            try systemCall("set the attribute \(text(attribute.name))") {
                unsafe CName.with(attribute.name) { name in
                    unsafe berth_fsetxattr(
                        descriptor, name, attribute.value, UInt(attribute.value.count))
                }
            }
        }
        var times = times(of: node)
        try systemCall("futimens") {
            unsafe withUnsafePointer(to: &times) { pair in
                unsafe pair.withMemoryRebound(to: timespec.self, capacity: 2) {
                    unsafe futimens(descriptor, $0)
                }
            }
        }
    }

    /// A symlink, FIFO or device node, by its name in a directory.
    static func apply(
        _ node: Node, named name: [UInt8], in directory: Int32, isolates: Bool
    ) throws {
        try systemCall("fchownat") {
            unsafe CName.with(name) {
                unsafe fchownat(directory, $0, node.uid, node.gid, AT_SYMLINK_NOFOLLOW)
            }
        }
        if node.kind != .symlink {
            try systemCall("fchmodat") {
                unsafe CName.with(name) {
                    unsafe fchmodat(directory, $0, node.mode.permissions, 0)
                }
            }
        }
        // Through /proc, because there is no lsetxattr at a directory below Linux 6.13; the name
        // itself is not followed.
        let path = Array("/proc/self/fd/\(directory)/".utf8) + name
        if isolates {
            let present = try unsafe FileSystemAttributes.read(
                list: { list, size in
                    unsafe CName.with(path) { unsafe berth_llistxattr($0, list, UInt(size)) }
                },
                get: { attribute, value, size in
                    unsafe CName.with(path) {
                        unsafe berth_lgetxattr($0, attribute, value, UInt(size))
                    }
                })
            for attribute in surplus(present, over: node) {
                try systemCall("remove the attribute \(text(attribute))") {
                    unsafe CName.with(path) { place in
                        unsafe CName.with(attribute) { unsafe berth_lremovexattr(place, $0) }
                    }
                }
            }
        }
        for attribute in node.extendedAttributes {
            try systemCall("set the attribute \(text(attribute.name))") {
                unsafe CName.with(path) { place in
                    unsafe CName.with(attribute.name) { name in
                        unsafe berth_lsetxattr(
                            place, name, attribute.value, UInt(attribute.value.count))
                    }
                }
            }
        }
        var times = times(of: node)
        try systemCall("utimensat") {
            unsafe CName.with(name) { name in
                unsafe withUnsafePointer(to: &times) { pair in
                    unsafe pair.withMemoryRebound(to: timespec.self, capacity: 2) {
                        unsafe utimensat(directory, name, $0, AT_SYMLINK_NOFOLLOW)
                    }
                }
            }
        }
    }

    private static func surplus(
        _ present: [Node.ExtendedAttribute], over node: Node
    ) -> [[UInt8]] {
        if present.isEmpty { return [] }
        let wanted = Set(node.extendedAttributes.map(\.name))
        // A label that the kernel's security module gives to everything cannot be removed.
        return present.map(\.name).filter {
            !wanted.contains($0) && !$0.elementsEqual("security.selinux".utf8)
        }
    }

    /// Of the last access and of the last change.
    private static func times(of node: Node) -> (timespec, timespec) {
        let time = timespec(
            tv_sec: Int(node.modified.seconds), tv_nsec: Int(node.modified.nanoseconds))
        return (time, time)
    }

    private static func text(_ name: [UInt8]) -> String {
        String(decoding: name, as: UTF8.self)
    }
}
