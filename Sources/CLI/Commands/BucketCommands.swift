import Shared

/// `bucket …`.
enum BucketCommands {
    static let all = [list, show, create, set, test, remove, route]

    private static let list = CommandDescription(
        "bucket list", aliases: ["ls"], summary: "Where backups are kept",
        examples: ["berth bucket list"]
    ) { invocation in
        let page = try await invocation.list(["buckets"], of: BucketDescription.self)
        try await invocation.publisher.list(
            page, item: "bucket/1", none: "no buckets", id: { $0.id.description },
            table: BucketText(now: invocation.now()).table)
        return .done
    }

    private static let show = CommandDescription(
        "bucket show", aliases: ["get"], [.one("BUCKET")],
        summary: "One bucket: where it is, how hosts reach it, what waits for it",
        examples: ["berth bucket show eu-main"]
    ) { invocation in
        let bucket = try await invocation.hub().send(
            .get(["buckets", try invocation.word(0)]), as: BucketDescription.self)
        try await publish(bucket, invocation)
        return .done
    }

    private static let create = CommandDescription(
        "bucket create", aliases: ["new"], [.one("NAME")],
        options: [
            OptionDescription("path", .text("DIR"), "a directory of the hub's machine"),
            OptionDescription("endpoint", .text("URL"), "an S3 endpoint, with --bucket"),
            OptionDescription("bucket", .text("BUCKET"), "the provider's name of the bucket"),
            OptionDescription("prefix", .text("PREFIX"), "what all its keys begin with"),
            OptionDescription("region", .text("REGION"), "the fleet's region; default default"),
            OptionDescription("default", "keep the region's new projects here"),
        ] + BucketOptions.settings,
        summary: "Set a bucket up: a directory, or a bucket of any S3-compatible provider",
        details: "The bucket is tried out first. Its credentials are named, never typed: env:NAME "
            + "is a variable of the hub, file:PATH a file (mode 0600) on the hub's machine, sealed "
            + "what berth-hub bucket-credentials sealed. Nothing else is ever looked at.",
        examples: [
            "berth bucket create eu-main --endpoint https://s3.example.org --bucket backups "
                + "--access-key env:BERTH_KEY --secret-key file:/etc/berth/s3-secret",
            "berth bucket create lab --path /srv/backups",
        ]
    ) { invocation in
        let request = try await BucketOptions.creation(invocation)
        let bucket = try await invocation.change(
            "POST", ["buckets"], body: request, as: BucketDescription.self)
        try await publish(bucket, invocation)
        return .done
    }

    private static let set = CommandDescription(
        "bucket set", [.one("BUCKET")],
        options: [
            OptionDescription("path", .text("DIR"), "where its directory is now"),
            OptionDescription("endpoint", .text("URL"), "where its endpoint is now"),
            OptionDescription("default", "keep the region's new projects here"),
            OptionDescription("no-default", "let another bucket be the default"),
            OptionDescription(
                "accept-unenforced",
                "with --grants presigned: although the provider does not "
                    + "hold hosts to what was signed"),
        ] + BucketOptions.settings,
        summary: "Change a bucket; an empty value takes a setting away",
        examples: [
            "berth bucket set eu-main --secret-key file:/etc/berth/new-secret",
            "berth bucket set eu-main --default --also-serves eu-2",
        ]
    ) { invocation in
        let name = try invocation.word(0)
        let request = try await BucketOptions.change(invocation)
        let bucket = try await invocation.change(
            "PATCH", ["buckets", name], body: request, as: BucketDescription.self)
        try await publish(bucket, invocation)
        return .done
    }

    private static let test = CommandDescription(
        "bucket test", [.one("BUCKET")],
        summary: "Try out what the provider really does, and decide how hosts reach the bucket",
        details: "If the provider holds whoever has a signed URL to what was signed, hosts PUT and "
            + "GET objects by URLs that the hub signs for minutes; otherwise through the hub.",
        examples: ["berth bucket test eu-main"]
    ) { invocation in
        let bucket = try await invocation.change(
            "POST", ["buckets", try invocation.word(0), "test"], as: BucketDescription.self)
        let text = BucketText(now: invocation.now())
        try await invocation.publisher.one(
            bucket, schema: "bucket/1", id: bucket.id.description, text: text.test(bucket))
        return bucket.test?.isUsable == true ? .done : .otherFailure
    }

    private static let remove = CommandDescription(
        "bucket remove", aliases: ["rm", "delete"], [.one("BUCKET")],
        summary: "Forget a bucket that holds no repositories; the bucket itself stays",
        examples: ["berth bucket remove lab"]
    ) { invocation in
        let found = try await invocation.hub().send(
            .get(["buckets", try invocation.word(0)]), as: BucketDescription.self)
        try await Confirmation(invocation: invocation).agree(
            to: "Forget bucket \"\(HarmlessText.text(found.name))\"?")
        let bucket = try await invocation.change(
            "DELETE", ["buckets", found.id.description], as: BucketDescription.self)
        try await invocation.publisher.one(
            bucket, schema: "bucket/1", id: bucket.id.description,
            text: "✔ bucket \"\(HarmlessText.text(bucket.name))\" is forgotten\n")
        return .done
    }

    private static let route = CommandDescription(
        "project route", [.one("PROJECT"), .one("BUCKET")],
        options: [
            OptionDescription("across-regions", "also where the bucket is in another region")
        ],
        summary: "Say where a project's backups are to be kept, before its first one",
        details: "Otherwise they go to the default bucket of its region, and stay there.",
        examples: ["berth project route notes eu-main"]
    ) { invocation in
        let project = try await invocation.change(
            "POST", ["projects", try invocation.word(0), "route"],
            body: RouteProjectRequest(
                bucket: try invocation.word(1),
                acrossRegions: invocation.options.has("across-regions")),
            as: ProjectDescription.self)
        try await invocation.publisher.one(
            project, schema: "project/1", id: project.id.description,
            text: "✔ backups of \"\(HarmlessText.text(project.name))\" go to "
                + "\(HarmlessText.text(try invocation.word(1)))\n")
        return .done
    }

    private static func publish(
        _ bucket: BucketDescription, _ invocation: Invocation
    ) async throws {
        try await invocation.publisher.one(
            bucket, schema: "bucket/1", id: bucket.id.description,
            text: BucketText(now: invocation.now()).details(bucket))
    }
}
