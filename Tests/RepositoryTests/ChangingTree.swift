import CPlatform
import Glibc
import Platform

@testable import Repository

/// A small directory tree that a seed changes in every way that a restore has to follow: contents and
/// ranges, holes, metadata, attributes, names, kinds, hard links within and across directories.
struct ChangingTree {
    /// What one change does.
    enum Change: CaseIterable {
        case makeFile, makeDirectory, makeSymlink, makeFIFO, makeLarge
        case remove, removeDirectory, rename, renameDirectory, swapKind
        case overwrite, append, truncate, grow, punch, rewriteRange, sameTimeSameSize
        case mode, owner, time, attribute, dropAttribute, capability, directoryMode, rootMode
        case link, linkAcross, moveLink, unlinkOne, rewriteLinked
    }

    let path: String
    private(set) var random: SeededRandom

    init(at path: String, seed: UInt64) throws {
        self.path = path
        random = SeededRandom(state: seed | 1)
        try makeDirectory(path)
        for name in ["a", "a/b", "c", "c/d", "e"] { try makeDirectory("\(path)/\(name)") }
        for _ in 0..<24 { try apply(.makeFile) }
        for change in [Change.makeLarge, .makeLarge, .linkAcross, .linkAcross, .link, .makeSymlink]
        {
            try apply(change)
        }
    }

    /// Makes some changes.
    mutating func change(count: Int) throws {
        for _ in 0..<count {
            guard let change = Change.allCases.randomElement(using: &random) else { continue }
            try apply(change)
        }
    }

    // A change that finds nothing to work on, or that the present state forbids, does nothing.
    mutating func apply(_ change: Change) throws {
        switch change {
        case .makeFile: try write(free(in: directory()), bytes(upTo: 9_000))
        case .makeLarge: try write(free(in: directory()), bytes(exactly: number(530_000, 900_000)))
        case .makeDirectory: try RepositoryTests.makeDirectory(free(in: directory()))
        case .makeSymlink: unsafe symlink("../../outside/\(number(0, 9))", free(in: directory()))
        case .makeFIFO: unsafe mkfifo(free(in: directory()), 0o600)
        case .remove: if let file = entry() { unsafe unlink(file) }
        case .removeDirectory:
            if let directory = subdirectory() { try removeTree(at: directory) }
        case .rename: if let file = entry() { unsafe rename(file, free(in: directory())) }
        case .renameDirectory:
            if let from = subdirectory() { unsafe rename(from, free(in: path)) }
        case .swapKind: try swapKind()
        case .overwrite: if let file = file() { try write(file, bytes(upTo: 9_000)) }
        case .append: try patch { size, count in (size, count) }
        case .rewriteRange: try patch { size, _ in (max(0, size / 2), 300) }
        case .grow: if let file = file() { unsafe truncate(file, size(of: file) + 300_000) }
        case .truncate: if let file = file() { unsafe truncate(file, size(of: file) / 3) }
        case .punch: try punch()
        case .sameTimeSameSize: try changeQuietly()
        case .mode:
            if let file = file() {
                unsafe chmod(file, [0o600, 0o644, 0o4755, 0o2711, 0][number(0, 4)])
            }
        case .owner:
            if let file = entry() {
                unsafe lchown(file, UInt32(number(0, 3)) + 1_000, UInt32(number(0, 3)) + 2_000)
            }
        case .time:
            if let file = entry() {
                let time = timespec(
                    tv_sec: number(0, 2_000_000_000), tv_nsec: number(0, 999_999_999))
                unsafe utimensat(AT_FDCWD, file, [time, time], AT_SYMLINK_NOFOLLOW)
            }
        case .attribute:
            if let file = file() {
                let value = bytes(upTo: 40)
                unsafe berth_lsetxattr(
                    file, "user.n\(number(0, 3))", value, UInt(value.count))
            }
        case .dropAttribute:
            if let file = file() {
                unsafe berth_lremovexattr(file, "user.n\(number(0, 3))")
                unsafe berth_lremovexattr(file, "security.capability")
            }
        case .capability:
            // cap_net_bind_service=ep of version 2
            if let file = file() {
                let value: [UInt8] = [1, 0, 0, 2, 0, 4, 0, 0] + [UInt8](repeating: 0, count: 12)
                unsafe berth_lsetxattr(file, "security.capability", value, UInt(value.count))
            }
        case .directoryMode:
            if let directory = subdirectory() {
                unsafe chmod(directory, [0o700, 0o755, 0o2775, 0o1777][number(0, 3)])
            }
        case .rootMode: unsafe chmod(path, [0o700, 0o750, 0o755][number(0, 2)])
        case .link, .linkAcross:
            if let file = file() { unsafe Glibc.link(file, free(in: directory())) }
        case .moveLink:
            if let file = linked() {
                unsafe Glibc.link(file, free(in: directory()))
                unsafe unlink(file)
            }
        case .unlinkOne: if let file = linked() { unsafe unlink(file) }
        case .rewriteLinked: if let file = linked() { try write(file, bytes(upTo: 5_000)) }
        }
    }

    // MARK: Changes

    private mutating func swapKind() throws {
        guard let old = entry() else { return }
        unsafe unlink(old)
        switch number(0, 2) {
        case 0: try RepositoryTests.makeDirectory(old)
        case 1: unsafe symlink("elsewhere", old)
        default: try write(old, bytes(upTo: 100))
        }
    }

    private mutating func patch(_ place: (Int, Int) -> (Int, Int)) throws {
        guard let file = file() else { return }
        let (offset, count) = place(size(of: file), number(1, 3_000))
        let content = bytes(exactly: count)
        let open = try Descriptor(opening: file, flags: O_WRONLY)
        try open.withNumber { number in
            try systemCall("pwrite") { unsafe pwrite(number, content, count, offset) }
        }
    }

    private mutating func punch() throws {
        guard let file = file() else { return }
        let size = size(of: file)
        guard size > 8_192 else { return }
        let open = try Descriptor(opening: file, flags: O_WRONLY)
        let start = number(0, size / 2)
        try open.withNumber { number in
            try systemCall("punch") { berth_punch_hole(number, Int64(start), Int64(size / 3)) }
        }
    }

    /// Other content, with the size and the time as they were: only the bytes tell.
    private mutating func changeQuietly() throws {
        guard let file = file() else { return }
        var before = stat()
        guard unsafe lstat(file, &before) == 0, before.st_size > 0 else { return }
        let content = bytes(exactly: Int(before.st_size))
        let open = try Descriptor(opening: file, flags: O_WRONLY)
        try open.withNumber { number in
            try systemCall("pwrite") { unsafe pwrite(number, content, content.count, 0) }
            try systemCall("futimens") {
                unsafe futimens(number, [before.st_mtim, before.st_mtim])
            }
        }
    }

    private func write(_ file: String, _ content: [UInt8]) throws {
        let open = try Descriptor(opening: file, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
        try open.withNumber { number in
            try systemCall("write") { unsafe Glibc.write(number, content, content.count) }
        }
    }

    // MARK: Choices

    private mutating func number(_ least: Int, _ most: Int) -> Int {
        Int.random(in: least...max(least, most), using: &random)
    }

    private mutating func bytes(upTo most: Int) -> [UInt8] { bytes(exactly: number(0, most)) }

    private mutating func bytes(exactly count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        let isSparse = number(0, 4) == 0
        while bytes.count < count {
            if isSparse, bytes.count % 8_192 == 0, count - bytes.count > 4_096 {
                bytes += [UInt8](repeating: 0, count: 4_096)
                continue
            }
            var word = random.next()
            for _ in 0..<8 {
                bytes.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return Array(bytes.prefix(count))
    }

    private func size(of file: String) -> Int {
        var status = stat()
        return unsafe lstat(file, &status) == 0 ? Int(status.st_size) : 0
    }

    private mutating func free(in directory: String) -> String {
        "\(directory)/n\(number(0, 1 << 30))"
    }

    private mutating func directory() -> String {
        subdirectory() ?? path
    }

    private mutating func subdirectory() -> String? {
        all { $0 & S_IFMT == S_IFDIR }.randomElement(using: &random)
    }

    private mutating func file() -> String? {
        all { $0 & S_IFMT == S_IFREG }.randomElement(using: &random)
    }

    private mutating func entry() -> String? {
        all { $0 & S_IFMT != S_IFDIR }.randomElement(using: &random)
    }

    private mutating func linked() -> String? {
        all { $0 & S_IFMT == S_IFREG }.filter { name in
            var status = stat()
            return unsafe lstat(name, &status) == 0 && status.st_nlink > 1
        }.randomElement(using: &random)
    }

    /// Paths of a kind, in an order that depends on nothing but the tree.
    private func all(_ isWanted: (UInt32) -> Bool) -> [String] {
        var found: [String] = []
        var waiting = [path]
        while let directory = waiting.popLast() {
            guard let names = try? FileSystemDirectory(path: directory).names() else { continue }
            for name in names {
                let place = "\(directory)/\(String(decoding: name, as: UTF8.self))"
                var status = stat()
                guard unsafe lstat(place, &status) == 0 else { continue }
                if status.st_mode & S_IFMT == S_IFDIR { waiting.append(place) }
                if isWanted(status.st_mode) { found.append(place) }
            }
        }
        return found
    }
}
