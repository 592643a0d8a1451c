import Postgres
import Shared

/// Where a project's backups are to be kept, when that is not left to its region.
struct ProjectRouting: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Routes a project that has no backups yet to a bucket.
    ///
    /// - Throws: `Problem` 409 `bucket-sticky` once it has a repository, 409 `other-region` for a
    ///   bucket that does not serve its region, unless that is asked for.
    func route(
        _ project: ProjectID, _ request: RouteProjectRequest, author: RegistryWriter.Author
    ) async throws {
        let bucket = try await RegistryReader(transaction).resolveBucket(request.bucket)
        let store = BucketStore(transaction)
        if let repository = try await store.repository(of: project) {
            if repository.bucket.id == bucket { return }
            throw Problem(
                status: 409, code: "bucket-sticky", title: "The project's backups stay",
                detail: "its repository is in bucket \(repository.bucket.name) already",
                hint: "a project is routed before its first backup")
        }
        guard let row = try await store.buckets(only: bucket).first?.row,
            let found = try await ProjectReader(transaction).project(project)
        else { throw RegistryConflict(description: "bucket \(request.bucket) was removed") }
        guard row.settings.serves(found.region, home: row.region) || request.acrossRegions else {
            throw Problem(
                status: 409, code: "other-region", title: "The bucket is in another region",
                detail:
                    "project \(found.name) is of region \(found.region), and bucket \(row.name) "
                    + "of \(row.region)",
                hint: "--across-regions keeps its backups there all the same")
        }
        var writer = try await RegistryWriter(transaction, author: author)
        try await writer.record(
            .projectRouted(ProjectRouted(project: project, bucket: bucket)))
        try await writer.finish()
    }
}
