import Platform
import Shared

/// The options that say where a bucket is and how it is used.
enum BucketOptions {
    /// Those of `create` and `set`.
    static let settings = [
        OptionDescription(
            "access-key", .text("REF"), "the access key id: env:NAME, file:PATH or sealed"),
        OptionDescription(
            "secret-key", .text("REF"), "the secret key: env:NAME, file:PATH or sealed"),
        OptionDescription(
            "signing-region", .text("REGION"), "the provider's region; default us-east-1"),
        OptionDescription(
            "style", .choice(BucketSettings.Style.allCases.map(\.rawValue)),
            "the bucket's name in the URL's path or host; default path"),
        OptionDescription("storage-class", .text("CLASS"), "such as STANDARD_IA"),
        OptionDescription(
            "encryption", .choice(BucketSettings.Encryption.allCases.map(\.rawValue)),
            "the provider's own encryption, beside the repository's"),
        OptionDescription("encryption-key", .text("KEY"), "the key of --encryption kms"),
        OptionDescription("ca-file", .text("FILE"), "the authorities of the endpoint, in PEM"),
        OptionDescription(
            "also-serves", .text("REGION"), isRepeatable: true,
            "another region whose projects may be kept here; * is any"),
        OptionDescription(
            "grants", .choice(BucketSettings.GrantChoice.allCases.map(\.rawValue)),
            "how hosts reach it; default auto, which is what the test allows"),
    ]

    /// What `bucket create` asks for.
    static func creation(_ invocation: Invocation) async throws -> CreateBucketRequest {
        var settings = try read(invocation)
        settings.bucket = try invocation.options.text("bucket")
        settings.prefix = try invocation.options.text("prefix")
        let isS3 = settings.endpoint != nil || settings.bucket != nil
        guard isS3 != (settings.path != nil) else {
            throw CommandFailure.usage(
                "a bucket is a directory or on S3",
                hint: "--path DIR, or --endpoint URL with --bucket BUCKET")
        }
        return CreateBucketRequest(
            name: try invocation.word(0), kind: isS3 ? "s3" : "directory",
            region: try invocation.options.text("region"), settings: settings,
            isDefault: invocation.options.has("default"))
    }

    /// What `bucket set` asks for.
    static func change(_ invocation: Invocation) async throws -> SetBucketRequest {
        let options = invocation.options
        guard !(options.has("default") && options.has("no-default")) else {
            throw CommandFailure.usage("--default and --no-default exclude each other")
        }
        return SetBucketRequest(
            settings: try read(invocation),
            isDefault: options.has("default") ? true : options.has("no-default") ? false : nil,
            acceptsUnenforced: options.has("accept-unenforced") ? true : nil)
    }

    private static func read(_ invocation: Invocation) throws -> BucketSettings {
        let options = invocation.options
        var settings = BucketSettings(path: try options.text("path"))
        settings.endpoint = try options.text("endpoint")
        settings.accessKey = try reference("access-key", options)
        settings.secretKey = try reference("secret-key", options)
        settings.signingRegion = try options.text("signing-region")
        settings.style = try options.text("style").flatMap { BucketSettings.Style(rawValue: $0) }
        settings.storageClass = try options.text("storage-class")
        settings.encryption = try options.text("encryption").flatMap {
            BucketSettings.Encryption(rawValue: $0)
        }
        settings.encryptionKey = try options.text("encryption-key")
        settings.authorities = try authorities(options)
        let regions = options.words("also-serves").compactMap(\.text).filter { !$0.isEmpty }
        if options.has("also-serves") { settings.alsoServes = regions }
        settings.grants = try options.text("grants").flatMap {
            BucketSettings.GrantChoice(rawValue: $0)
        }
        return settings
    }

    /// A reference to a secret; what is none may be the secret itself, and goes nowhere.
    private static func reference(
        _ name: String, _ options: OptionValues
    ) throws(CommandFailure) -> String? {
        guard let text = try options.text(name) else { return nil }
        guard text.hasPrefix("env:") || text.hasPrefix("file:/") || text == "sealed" else {
            throw .usage(
                "--\(name) takes no secret, only where the hub finds it",
                hint: "env:NAME, file:/PATH or sealed; if the secret itself was typed, take it "
                    + "out of the shell's history")
        }
        return text
    }

    private static func authorities(_ options: OptionValues) throws -> String? {
        guard let path = try options.text("ca-file") else { return nil }
        if path.isEmpty { return "" }
        do {
            return String(decoding: try DurableFile.read(path, limitBytes: 1 << 20), as: UTF8.self)
        } catch {
            throw CommandFailure.usage(
                "--ca-file \(HarmlessText.text(path)) cannot be read: \(error)")
        }
    }
}
