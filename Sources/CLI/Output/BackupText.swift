import Shared

/// Backups and what is in them, for people.
struct BackupText: Sendable {
    let now: Timestamp

    func table(_ backups: [BackupDescription]) -> Table {
        var table = Table(columns: [
            .identifier("BACKUP"), .text("TAKEN", droppedAt: 2), .number("AGE"), .number("FILES"),
            .number("SIZE"), .number("ADDED"), .number("STORED", droppedAt: 3),
            .text("SNAPSHOT", droppedAt: 4), .text("NOTES"),
        ])
        table.rows = backups.map { backup in
            [
                backup.id.description, backup.takenAt.description,
                Quantity.age(backup.takenAt, at: now), Quantity.count(backup.files),
                Quantity.bytes(backup.bytes), Quantity.bytes(backup.addedBytes),
                Quantity.bytes(backup.storedBytes),
                HarmlessText.text(String(backup.snapshot.prefix(8))), Self.notes(backup),
            ]
        }
        return table
    }

    /// How a backup found out what had changed.
    static func sentence(_ detection: BackupDetection) -> String {
        let reason = detection.reason.map { ": " + HarmlessText.text($0) } ?? ""
        switch detection.method {
        case .changes where detection.changedInodes == 0: return "nothing had changed"
        case .changes:
            return "\(Quantity.bytes(detection.readBytes)) read, as btrfs says what changed"
        case .comparison: return "all metadata was compared\(reason)"
        case .full: return "everything was read\(reason)"
        }
    }

    private static func notes(_ backup: BackupDescription) -> String {
        var notes: [String] = []
        if !backup.omissions.isEmpty {
            notes.append("partial: \(Quantity.count(Int64(backup.omissions.count))) left out")
        }
        if !backup.pins.isEmpty {
            notes.append("pinned: " + backup.pins.map(HarmlessText.text).joined(separator: ", "))
        }
        if let same = backup.confirmedAt { notes.append("the same at \(same)") }
        notes += backup.tags.map(HarmlessText.text)
        return notes.isEmpty ? "–" : notes.joined(separator: "; ")
    }

    /// Entries as `ls -l` shows them.
    func entries(_ entries: [BackupEntry]) -> Table {
        var table = Table(columns: [
            .text("MODE"), .number("UID", droppedAt: 3), .number("GID", droppedAt: 3),
            .number("SIZE"), .text("MODIFIED", droppedAt: 2), .text("NAME"),
        ])
        table.rows = entries.map { entry in
            let name = HarmlessText.name([UInt8](entry.name))
            let link = entry.linkTarget.map { " -> " + HarmlessText.text($0) } ?? ""
            return [
                Self.mode(entry), "\(entry.uid)", "\(entry.gid)",
                entry.type == "file" ? Quantity.bytes(entry.bytes) : "–",
                entry.modifiedAt.description, name + (entry.type == "dir" ? "/" : link),
            ]
        }
        return table
    }

    /// `drwxr-s--x`, as ls(1) writes it.
    static func mode(_ entry: BackupEntry) -> String {
        let types = [
            "file": "-", "dir": "d", "symlink": "l", "fifo": "p", "dev": "b", "chardev": "c",
            "socket": "s",
        ]
        var text = types[entry.type] ?? "?"
        let specials: [(bit: UInt32, set: Character, alone: Character)] = [
            (0o4000, "s", "S"), (0o2000, "s", "S"), (0o1000, "t", "T"),
        ]
        for (index, special) in specials.enumerated() {
            let bits = entry.mode >> UInt32(6 - 3 * index) & 7
            text += bits & 4 != 0 ? "r" : "-"
            text += bits & 2 != 0 ? "w" : "-"
            let executes = bits & 1 != 0
            if entry.mode & special.bit != 0 {
                text.append(executes ? special.set : special.alone)
            } else {
                text += executes ? "x" : "-"
            }
        }
        return text
    }
}
