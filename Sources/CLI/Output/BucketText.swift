import Shared

/// Buckets for people.
struct BucketText: Sendable {
    let now: Timestamp

    func table(_ buckets: [BucketDescription]) -> Table {
        var table = Table(columns: [
            .text("BUCKET"), .text("KIND"), .text("REGION"), .text("WHERE"),
            .text("GRANTS", droppedAt: 2), .number("REPOSITORIES"), .text("STATE"),
        ])
        table.rows = buckets.map { bucket in
            [
                HarmlessText.text(bucket.name) + (bucket.isDefault ? " (default)" : ""),
                HarmlessText.text(bucket.kind), HarmlessText.text(bucket.region),
                HarmlessText.text(bucket.location), bucket.grantMode.rawValue,
                Quantity.count(bucket.repositories), state(bucket),
            ]
        }
        return table
    }

    func details(_ bucket: BucketDescription) -> String {
        let settings = bucket.settings
        var facts = Facts()
        facts.add("bucket", HarmlessText.text(bucket.name))
        facts.add("id", bucket.id.description)
        facts.add("kind", HarmlessText.text(bucket.kind))
        facts.add("where", HarmlessText.text(bucket.location))
        facts.add(
            "region", HarmlessText.text(bucket.region) + (bucket.isDefault ? " (default)" : ""))
        if let others = settings.alsoServes, !others.isEmpty {
            facts.add("also serves", HarmlessText.text(others.joined(separator: ", ")))
        }
        if bucket.kind == "s3" {
            facts.add("signed for", HarmlessText.text(settings.signingRegion ?? "us-east-1"))
            facts.add("style", (settings.style ?? .path).rawValue)
            facts.add("storage class", settings.storageClass.map(HarmlessText.text))
            facts.add("encryption", settings.encryption?.rawValue)
            facts.add(
                "credentials",
                HarmlessText.text(
                    "\(settings.accessKey ?? "none"), \(settings.secretKey ?? "none")"))
        }
        facts.add("repositories", Quantity.count(bucket.repositories))
        facts.add("grants", grants(bucket))
        facts.add("state", state(bucket))
        if let since = bucket.condition.since {
            facts.add("fails since", "\(since) (\(Quantity.age(since, at: now)))")
            facts.add("failures", Quantity.count(bucket.condition.failures))
            facts.add("next try", bucket.condition.nextTryAt.map { "\($0)" })
        }
        facts.add("parked", Quantity.count(bucket.condition.parked))
        return facts.text + parked(bucket)
    }

    /// What `bucket test` found, a line each, and what follows from it.
    func test(_ bucket: BucketDescription) -> String {
        guard let test = bucket.test else { return "not tested\n" }
        let lines = test.checks.map { check in
            let sign = check.passed ? "✔" : check.need == .use ? "✕" : "▲"
            return "\(sign) \(HarmlessText.text(check.name)): \(HarmlessText.text(check.detail))\n"
        }
        guard test.isUsable else {
            return lines.joined() + "✕ backups cannot be kept in this bucket now\n"
        }
        return lines.joined() + "grants: \(grants(bucket))\n"
    }

    /// The mode, and why it is so.
    private func grants(_ bucket: BucketDescription) -> String {
        let failed = (bucket.test?.checks ?? []).filter { $0.need == .grants && !$0.passed }
        let reasons = failed.map { HarmlessText.text($0.detail) }.joined(separator: "; ")
        let mode = bucket.grantMode.rawValue
        switch bucket.settings.grants ?? .auto {
        case .gateway: return "\(mode) (chosen)"
        case .presigned:
            return failed.isEmpty ? "\(mode) (chosen)" : "\(mode) (chosen although \(reasons))"
        case .auto:
            if bucket.kind == "directory" { return "\(mode): a directory has no URLs" }
            if bucket.grantMode == .presigned { return "\(mode): the provider holds hosts to it" }
            if bucket.test == nil { return "\(mode): not tested; berth bucket test \(bucket.name)" }
            return "\(mode): \(reasons)"
        }
    }

    private func state(_ bucket: BucketDescription) -> String {
        let reason = bucket.trouble.map { ": " + HarmlessText.text($0) } ?? ""
        switch bucket.condition.state {
        case .working: return bucket.trouble == nil ? "● ok" : "▲ trouble" + reason
        case .failing: return "▲ failing" + reason
        case .paused: return "✕ paused" + reason
        }
    }

    private func parked(_ bucket: BucketDescription) -> String {
        (bucket.parked ?? []).map { operation in
            let scope = HarmlessText.text(operation.scopeName ?? operation.scope)
            return "  \(operation.id)  \(operation.kind.rawValue)  \(scope)\n"
        }.joined()
    }
}
