import ObjectStore
import Shared

/// The rules for what operators may set of a bucket.
enum BucketSettingsCheck {
    /// Whether credentials are to lie sealed in the hub's database.
    static func isSealed(_ settings: BucketSettings) -> Bool {
        settings.accessKey == "sealed" || settings.secretKey == "sealed"
    }

    /// Refuses settings that do not fit the kind, or that no store can use.
    ///
    /// - Throws: `Problem` 400.
    static func check(_ settings: BucketSettings, kind: String) throws {
        switch kind {
        case "directory":
            guard let path = settings.path, path.hasPrefix("/"), path.utf8.count <= 1024,
                !path.contains("\0")
            else { throw refusal("settings.path", "must be a directory's absolute path") }
            var rest = settings
            rest.path = nil
            rest.alsoServes = nil
            rest.grants = nil
            guard rest == BucketSettings() else {
                throw refusal("settings", "a directory bucket has a path only")
            }
            guard settings.grants != .presigned else {
                throw refusal("settings.grants", "a directory has no URLs: gateway or auto")
            }
        case "s3":
            guard settings.path == nil else {
                throw refusal("settings.path", "an S3 bucket has no path")
            }
            _ = try CredentialReference(settings.accessKey ?? "", of: "settings.accessKey")
            _ = try CredentialReference(settings.secretKey ?? "", of: "settings.secretKey")
            do {
                _ = try OpenedBuckets.configuration(settings, hasConditionalPut: false)
            } catch let error as ObjectStoreError {
                throw refusal("settings", error.description)
            }
        default:
            throw refusal("kind", "must be directory or s3")
        }
        for region in settings.alsoServes ?? [] where region != "*" {
            try Naming.check(region, what: "region")
        }
    }

    /// The settings with those members replaced that a change holds; an empty text takes one away.
    static func merged(_ settings: BucketSettings, _ change: BucketSettings) -> BucketSettings {
        func text(_ new: String?, _ old: String?) -> String? {
            new.map { $0.isEmpty ? nil : $0 } ?? old
        }
        var merged = settings
        merged.path = text(change.path, settings.path)
        merged.endpoint = text(change.endpoint, settings.endpoint)
        merged.signingRegion = text(change.signingRegion, settings.signingRegion)
        merged.style = change.style ?? settings.style
        merged.storageClass = text(change.storageClass, settings.storageClass)
        merged.encryption = change.encryption ?? settings.encryption
        merged.encryptionKey = text(change.encryptionKey, settings.encryptionKey)
        merged.accessKey = text(change.accessKey, settings.accessKey)
        merged.secretKey = text(change.secretKey, settings.secretKey)
        merged.authorities = text(change.authorities, settings.authorities)
        merged.alsoServes = change.alsoServes ?? settings.alsoServes
        merged.grants = change.grants ?? settings.grants
        return merged
    }

    /// Whether a change concerns how the bucket is reached, so that it has to be tried out.
    static func isReachDifferent(_ old: BucketSettings, _ new: BucketSettings) -> Bool {
        var old = old
        old.alsoServes = new.alsoServes
        old.grants = new.grants
        return old != new
    }

    private static func refusal(_ name: String, _ rule: String) -> Problem {
        Problem.invalidParameter(name, rule)
    }
}
