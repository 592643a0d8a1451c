import ObjectStore
import Platform
import Postgres
import Shared

/// Sets buckets up, tries them out, changes and removes them.
struct BucketDesk: Sendable {
    let pool: PostgresPool
    let identifiers: Identifiers
    let catalog: BucketCatalog
    let operations: OperationService

    // MARK: Setting up

    /// Sets a bucket up, once it has proved to be usable; the same request again gets the same
    /// bucket.
    ///
    /// - Throws: `Problem` 400 for settings, 409 `bucket-exists`, 422 `bucket-unusable`.
    func create(
        _ request: CreateBucketRequest, author: RegistryWriter.Author
    ) async throws -> BucketID {
        try Naming.check(request.name, what: "bucket")
        let region = request.region ?? "default"
        try Naming.check(region, what: "region")
        try BucketSettingsCheck.check(request.settings, kind: request.kind)
        var row = BucketCatalog.Row(
            id: identifiers.make(BucketIdentity.self), name: request.name, kind: request.kind,
            region: region, settings: request.settings, grantMode: .gateway,
            isDefault: request.isDefault, test: nil)
        if let known = try await known(request, region: region) { return known }
        // Credentials that are to be sealed for a bucket can only come after it.
        if !BucketSettingsCheck.isSealed(row.settings) { row.test = try await requireUsable(row) }
        row.grantMode = try Self.grantMode(row, acceptsUnenforced: false)
        let made = row
        try await pool.withTransaction { transaction in
            var row = made
            var writer = try await RegistryWriter(transaction, author: author)
            let store = BucketStore(transaction)
            guard try await store.bucket(named: row.name) == nil else {
                throw Self.taken(row.name)
            }
            let other = try await store.defaultBucket(region: region)
            // The first bucket of a region is its default.
            if other == nil { row.isDefault = true }
            if row.isDefault, var other {
                other.isDefault = false
                try await writer.record(try Self.changed(other))
            }
            try await writer.record(
                .bucketCreated(
                    BucketCreated(
                        bucket: row.id, name: row.name, kind: row.kind, region: region,
                        settings: try JSON.value(row.settings), grantMode: row.grantMode,
                        isDefault: row.isDefault)))
            if row.test != nil { try await writer.record(try Self.changed(row)) }
            try await writer.finish()
        }
        return row.id
    }

    /// The bucket that an earlier try of the same request made.
    private func known(_ request: CreateBucketRequest, region: String) async throws -> BucketID? {
        let known = try await pool.withTransaction { transaction in
            try await BucketStore(transaction).bucket(named: request.name)
        }
        guard let known else { return nil }
        guard known.kind == request.kind, known.region == region,
            known.settings == request.settings
        else { throw Self.taken(request.name) }
        return known.id
    }

    private static func taken(_ name: String) -> Problem {
        Problem(
            status: 409, code: "bucket-exists", title: "The name is taken",
            detail: "a bucket called \(name) exists", hint: "see berth bucket show \(name)")
    }

    // MARK: Changing

    /// Changes a bucket; how it is reached only if it is usable so.
    ///
    /// - Throws: `Problem` 400 for settings, 409 `grants-unenforced`, 422 `bucket-unusable`;
    ///   `RegistryConflict` when somebody else changed it meanwhile.
    func set(
        _ id: BucketID, _ request: SetBucketRequest, author: RegistryWriter.Author
    ) async throws {
        var row = try await require(id).row
        let found = row
        let old = row.settings
        guard request.settings.bucket == nil, request.settings.prefix == nil else {
            throw Problem.invalidParameter(
                "settings", "a bucket's own name and prefix stay; create another bucket")
        }
        row.settings = BucketSettingsCheck.merged(old, request.settings)
        try BucketSettingsCheck.check(row.settings, kind: row.kind)
        let isMoved = BucketSettingsCheck.isReachDifferent(old, row.settings)
        if isMoved { row.test = try await isToBeSealed(row) ? nil : try await requireUsable(row) }
        row.grantMode = try Self.grantMode(
            row, acceptsUnenforced: request.acceptsUnenforced ?? false)
        row.isDefault = request.isDefault ?? row.isDefault
        let new = row
        try await pool.withTransaction { transaction in
            try await Self.requireUnchanged(found, in: transaction)
            var writer = try await RegistryWriter(transaction, author: author)
            if new.isDefault,
                var other = try await BucketStore(transaction).defaultBucket(region: new.region),
                other.id != new.id
            {
                other.isDefault = false
                try await writer.record(try Self.changed(other))
            }
            try await writer.record(try Self.changed(new))
            try await writer.finish()
        }
        if isMoved { try await works(id) }
    }

    /// Tries a bucket out, and decides by that how hosts reach it.
    func test(_ id: BucketID, author: RegistryWriter.Author) async throws -> BucketTest {
        var row = try await require(id).row
        let found = row
        let test = try await attempt(row)
        // A bucket that does not work now keeps what was found when it did.
        guard test.isUsable else { return test }
        row.test = test
        row.grantMode = try Self.grantMode(row, acceptsUnenforced: true)
        let new = row
        try await pool.withTransaction { transaction in
            try await Self.requireUnchanged(found, in: transaction)
            var writer = try await RegistryWriter(transaction, author: author)
            try await writer.record(try Self.changed(new))
            try await writer.finish()
        }
        try await works(id)
        return test
    }

    /// What was tried out for a minute is not written over what somebody else made of the bucket in
    /// that time.
    private static func requireUnchanged(
        _ found: BucketCatalog.Row, in transaction: PostgresTransaction
    ) async throws {
        let store = BucketStore(transaction)
        try await store.lock(found.id)
        let now = try await store.buckets(only: found.id).first?.row
        guard let now, now.settings == found.settings, now.grantMode == found.grantMode,
            now.isDefault == found.isDefault
        else {
            throw RegistryConflict(
                description: "bucket \(found.name) was changed or removed at the same time")
        }
    }

    /// Whether its credentials are to be sealed, and are not yet: then nothing can be tried.
    private func isToBeSealed(_ row: BucketCatalog.Row) async throws -> Bool {
        guard BucketSettingsCheck.isSealed(row.settings) else { return false }
        return try await pool.withTransaction { transaction in
            try await !SecretStore(transaction).exists(kind: .bucket, id: row.id)
        }
    }

    private static func changed(_ row: BucketCatalog.Row) throws -> RegistryEvent {
        .bucketChanged(
            BucketChanged(
                bucket: row.id, settings: try JSON.value(row.settings), grantMode: row.grantMode,
                isDefault: row.isDefault, test: try row.test.map { try JSON.value($0) }))
    }

    /// The mode that an operator chose, or that the test allows.
    ///
    /// - Throws: `Problem` 409 `grants-unenforced` for URLs that the provider does not hold hosts
    ///   to, unless that is accepted.
    private static func grantMode(
        _ row: BucketCatalog.Row, acceptsUnenforced: Bool
    ) throws -> GrantMode {
        let isEnforcing = row.test?.isEnforcing ?? false
        switch row.settings.grants ?? .auto {
        case .auto: return isEnforcing ? .presigned : .gateway
        case .gateway: return .gateway
        case .presigned:
            guard isEnforcing || acceptsUnenforced else {
                throw Problem(
                    status: 409, code: "grants-unenforced",
                    title: "The provider does not hold hosts to signed URLs",
                    detail: "a host that was broken into could then replace its projects' backups",
                    hint: "see berth bucket test \(row.name); --accept-unenforced does it anyway")
            }
            return .presigned
        }
    }

    // MARK: Removing

    /// Removes a bucket that holds nothing.
    ///
    /// - Throws: `Problem` 409 `bucket-in-use`.
    func remove(_ id: BucketID, author: RegistryWriter.Author) async throws {
        try await pool.withTransaction { transaction in
            let store = BucketStore(transaction)
            try await store.lock(id)
            guard let listed = try await store.buckets(only: id).first else {
                throw RegistryConflict(description: "bucket \(id) was removed")
            }
            let routed = try await store.projectsRouted(to: id)
            guard listed.repositories == 0, routed == 0 else {
                throw Problem(
                    status: 409, code: "bucket-in-use", title: "The bucket is in use",
                    detail: "bucket \(listed.row.name) holds \(listed.repositories) repositories, "
                        + "and \(routed) projects are to be kept in it",
                    hint: "their backups are only there: delete those projects first")
            }
            var writer = try await RegistryWriter(transaction, author: author)
            try await writer.record(.bucketRemoved(BucketRemoved(bucket: id)))
            try await SecretStore(transaction).remove(kind: .bucket, id: id)
            try await writer.finish()
        }
        await catalog.opened.forget(id)
    }

    // MARK: Looking

    /// A bucket with what is known of it.
    ///
    /// - Throws: `RegistryConflict` when it was removed meanwhile.
    func require(_ id: BucketID) async throws -> BucketStore.Listed {
        let found = try await pool.withTransaction { transaction in
            try await BucketStore(transaction).buckets(only: id)
        }
        guard let listed = found.first else {
            throw RegistryConflict(description: "bucket \(id) was removed")
        }
        return listed
    }

    /// What it says of a bucket that it works: nobody waits for it any longer.
    private func works(_ id: BucketID) async throws {
        await catalog.opened.resume(id)
        try await operations.bucketWorks(id)
    }

    private func requireUsable(_ row: BucketCatalog.Row) async throws -> BucketTest {
        let test = try await attempt(row)
        guard test.isUsable else {
            let reasons = test.checks.filter { $0.need == .use && !$0.passed }.map(\.detail)
            throw Problem(
                status: 422, code: "bucket-unusable", title: "The bucket does not work",
                detail: reasons.joined(separator: "; "),
                hint: "nothing was changed; check the place, the credentials and their rights")
        }
        return test
    }

    private func attempt(_ row: BucketCatalog.Row) async throws -> BucketTest {
        let now = identifiers.currentTime
        do {
            let s3 = row.kind == "s3" ? try await catalog.trial(row) : nil
            let store: any ObjectStorage
            if let s3 { store = s3 } else { store = try await catalog.store(of: row) }
            let tester = BucketTester(store: store, s3: s3, now: now)
            return try await withDeadline(BucketTester.limit, "the bucket's test") {
                try await tester.run()
            }
        } catch let error as ObjectStoreError {
            return Self.unreachable("\(error)", at: now)
        } catch is DeadlineExceeded {
            return Self.unreachable("it takes longer than \(BucketTester.limit)", at: now)
        }
    }

    private static func unreachable(_ reason: String, at now: Timestamp) -> BucketTest {
        BucketTest(
            time: now,
            checks: [.init(name: "reachable", need: .use, passed: false, detail: reason)],
            hasConditionalPut: false)
    }
}
