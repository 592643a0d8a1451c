import CPlatform
import Glibc
import Platform

/// Changes the names of a former state into those of a backup.
///
/// Directories are opened from the target on, each by its single name beneath, following nothing; all
/// of it blocks.
struct RestoreDeltaWriter: Sendable {
    let target: RestoreDirectory

    /// A file that is held open while names of it go, and the names that it gets.
    struct Kept: Sendable {
        let file: OpenFile
        let names: [[[UInt8]]]
    }

    /// Opens the files that keep their inode although the name that leads to them may go.
    func keep(_ files: [RestoreLinkPlan.Kept]) throws -> [Kept] {
        try files.map { file in
            try named(file.former) { directory, name in
                Kept(
                    file: OpenFile(try directory.look(name)), names: file.names)
            }
        }
    }

    /// Removes what goes and makes directories, links, FIFOs and devices; files come later.
    func shape(_ differences: [RestoreDifference]) throws {
        for difference in differences {
            let directory = try open(difference.path)
            for step in difference.steps {
                do {
                    try shape(step, in: directory)
                } catch {
                    throw failure(difference.path, step, error)
                }
            }
        }
    }

    private func shape(_ step: RestoreDifference.Step, in directory: RestoreDirectory) throws {
        switch step {
        case .remove(let node): try directory.remove(node.name)
        case .make(let node):
            switch node.kind {
            case .directory: try directory.makeDirectory(node.name)
            case .symlink, .fifo, .blockDevice, .characterDevice:
                guard RestoreLinkPlan.Key(node) == nil else { return }
                try directory.make(node, isolates: true)
            case .file: break
            case .socket:
                throw RepositoryError(
                    code: .unsupported, message: "a socket is nothing that is restored")
            }
        case .rewrite, .enter: break
        }
    }

    /// Gives files that are complete their other names.
    func link(_ made: [RestoreLinkPlan.Made], _ kept: [Kept]) throws {
        for file in made {
            try named(file.original) { from, name in
                for path in file.names {
                    try named(path) { to, newName in
                        try from.makeLink(from: name, to: newName, in: to)
                    }
                }
            }
        }
        for file in kept {
            for path in file.names {
                try named(path) { directory, name in
                    try directory.makeLink(to: file.file, name)
                }
            }
        }
    }

    /// Gives directories their metadata, those below first.
    func finish(_ differences: [RestoreDifference]) throws {
        for difference in differences.reversed() {
            let directory = try open(difference.path)
            for step in difference.steps {
                guard case .enter(let former, let node) = step, former.subtree == node.subtree
                else { continue }
                try directory.descend(node.name).apply(node, isolates: true)
            }
            try directory.apply(difference.node, isolates: true)
        }
    }

    private func open(_ path: [[UInt8]]) throws -> RestoreDirectory {
        do {
            return try path.reduce(target) { try $0.descend($1) }
        } catch {
            throw RestoreWorker.failure(text(path), error)
        }
    }

    private func named<Answer>(
        _ path: [[UInt8]], _ body: (RestoreDirectory, [UInt8]) throws -> Answer
    ) throws -> Answer {
        let directory = try open(path.dropLast())
        do {
            return try body(directory, path.last ?? [])
        } catch {
            throw RestoreWorker.failure(text(path), error)
        }
    }

    private func failure(
        _ path: [[UInt8]], _ step: RestoreDifference.Step, _ error: any Error
    ) -> RepositoryError {
        let name =
            switch step {
            case .remove(let node), .make(let node), .rewrite(_, let node), .enter(_, let node):
                node.name
            }
        return RestoreWorker.failure(text(path + [name]), error)
    }

    private func text(_ path: [[UInt8]]) -> String {
        String(decoding: [UInt8](path.joined(separator: [UInt8(ascii: "/")])), as: UTF8.self)
    }
}
