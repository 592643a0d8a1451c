import SQLite
import Shared

/// Volumes: which are here, of which generation, and what their last backup covers.
extension Ledger {
    /// What is known of one volume; nil when the project never had one here.
    func volume(_ project: ProjectID) async throws -> VolumeRecord? {
        try await database.read { try Self.volume(project, $0) }
    }

    /// What is known of all volumes.
    func volumes() async throws -> [VolumeRecord] {
        try await database.read { connection in
            try connection.query("select * from volumes order by project").map(Self.record(of:))
        }
    }

    /// Whether a subvolume is some project's volume.
    func isVolume(_ subvolume: String) async throws -> Bool {
        try await database.read { connection in
            try connection.queryFirst(
                "select 1 from volumes where subvolume = \(subvolume) and is_present = 1") != nil
        }
    }

    /// A volume is in its place: made, or restored from a backup that is its base.
    func volumeAppeared(
        _ volume: VolumeReference, subvolume: String, base: VolumeRecord.Base?
    ) async throws {
        let text = try base.map { try JSON.text($0) }
        _ = try await database.write { connection in
            try connection.execute(
                """
                insert into volumes (project, generation, uid, gid, is_present, subvolume, base)
                values (\(volume.project.description), \(volume.generation), \(volume.uid),
                    \(volume.gid), 1, \(subvolume), \(text))
                on conflict (project) do update set
                    generation = max(generation, excluded.generation), uid = excluded.uid,
                    gid = excluded.gid, is_present = 1, is_frozen = 0,
                    subvolume = excluded.subvolume, base = excluded.base, first_change_at = null
                """)
        }
    }

    /// A volume has left its place; its generation stays known.
    func volumeDisappeared(_ project: ProjectID) async throws {
        try await database.write { connection in
            let changed = try connection.execute(
                """
                update volumes set is_present = 0, is_frozen = 0, subvolume = null, base = null,
                    first_change_at = null, reported = null
                where project = \(project.description) and is_present = 1
                """)
            guard changed == 1 else { return }
            try Self.append(.volumeGone(project), connection)
        }
        outbox.ring()
    }

    /// A backup of a volume was acknowledged.
    func setBase(_ project: ProjectID, _ base: VolumeRecord.Base) async throws {
        let text = try JSON.text(base)
        _ = try await database.write { connection in
            try connection.execute(
                """
                update volumes set base = \(text), first_change_at = null
                where project = \(project.description)
                """)
        }
    }

    func setFrozen(_ project: ProjectID, _ isFrozen: Bool) async throws {
        _ = try await database.write { connection in
            try connection.execute(
                """
                update volumes set is_frozen = \(isFrozen)
                where project = \(project.description)
                """)
        }
    }

    /// Stores an observation with its report, in one transaction.
    func reportObservation(_ observation: VolumeObservation) async throws {
        let text = try JSON.text(observation)
        try await database.write { connection in
            try connection.execute(
                """
                update volumes
                set reported = \(text), first_change_at = \(observation.firstChangeAt?.milliseconds)
                where project = \(observation.project.description)
                """)
            try Self.append(.volume(observation), connection)
        }
        outbox.ring()
    }

    /// Stores the inventory's observations with its report, in one transaction.
    func reportInventory(_ inventory: Inventory) async throws {
        try await database.write { connection in
            for observation in inventory.volumes {
                let text = try JSON.text(observation)
                try connection.execute(
                    """
                    update volumes set reported = \(text),
                        first_change_at = \(observation.firstChangeAt?.milliseconds)
                    where project = \(observation.project.description)
                    """)
            }
            try Self.append(.inventory(inventory), connection)
        }
        outbox.ring()
    }

    static func volume(
        _ project: ProjectID, _ connection: SQLiteConnection
    ) throws -> VolumeRecord? {
        try connection.queryFirst(
            "select * from volumes where project = \(project.description)"
        ).map(record(of:))
    }

    private static func record(of row: SQLiteRow) throws -> VolumeRecord {
        guard let project = ProjectID(try row.decode("project", as: String.self)) else {
            throw AgentError(.ledger, "the ledger holds a volume without a project's identity")
        }
        let base: String? = try row.decode("base")
        let reported: String? = try row.decode("reported")
        let firstChangeAt: Int64? = try row.decode("first_change_at")
        return VolumeRecord(
            project: project, generation: try row.decode("generation"),
            uid: try row.decode("uid"), gid: try row.decode("gid"),
            isPresent: try row.decode("is_present"),
            isFrozen: try row.decode("is_frozen"), subvolume: try row.decode("subvolume"),
            base: try base.map {
                try JSON.decode(VolumeRecord.Base.self, from: Array($0.utf8))
            },
            firstChangeAt: firstChangeAt.map { Timestamp(milliseconds: $0) },
            reported: try reported.map {
                try JSON.decode(VolumeObservation.self, from: Array($0.utf8))
            })
    }
}
