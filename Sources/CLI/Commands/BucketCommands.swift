import Shared

/// `bucket …`.
enum BucketCommands {
    static let all = [list]

    private static let list = CommandDescription(
        "bucket list", aliases: ["ls"], summary: "Where backups are kept",
        examples: ["berth bucket list"]
    ) { invocation in
        let page = try await invocation.list(["buckets"], of: BucketDescription.self)
        try await invocation.publisher.list(
            page, item: "bucket/1", none: "no buckets", id: { $0.id.description }, table: table)
        return .done
    }

    private static func table(_ buckets: [BucketDescription]) -> Table {
        var table = Table(columns: [
            .text("BUCKET"), .text("KIND"), .text("REGION"), .text("WHERE"),
            .text("GRANTS", droppedAt: 2), .number("REPOSITORIES"), .text("STATE"),
        ])
        table.rows = buckets.map { bucket in
            [
                HarmlessText.text(bucket.name) + (bucket.isDefault ? " (default)" : ""),
                HarmlessText.text(bucket.kind), HarmlessText.text(bucket.region),
                HarmlessText.text(bucket.location), bucket.grantMode.rawValue,
                Quantity.count(bucket.repositories),
                bucket.trouble.map { "▲ " + HarmlessText.text($0) } ?? "● ok",
            ]
        }
        return table
    }
}
