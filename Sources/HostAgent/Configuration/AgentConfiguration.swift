import Platform

/// What the agent goes by, from `agent.toml` in its data directory.
struct AgentConfiguration: Sendable, Equatable {
    /// Where volumes are.
    enum Storage: Sendable, Equatable {
        /// A file that holds a btrfs file system, mounted by the agent below its data directory.
        case loopImage(path: String, bytes: Int64)
        /// A btrfs file system that somebody else mounts.
        case mount(path: String)
    }

    /// The hub's addresses, each `https://host:port`, tried in turn.
    var hubs: [String]
    var storage: Storage
    /// How many operations run at once, 1 to 100, default 8.
    var operationLimit: Int = 8

    /// Reads a file.
    ///
    /// - Throws: `ConfigurationError` naming file, line and column.
    static func read(_ path: String) throws -> AgentConfiguration {
        let bytes = try DurableFile.read(path)
        return try parse(String(decoding: bytes, as: UTF8.self), name: path)
    }

    /// Reads a document.
    static func parse(_ text: String, name: String) throws -> AgentConfiguration {
        var file = try ConfigurationFile(text: text, name: name)
        let hubs = try file.strings("hubs") ?? []
        guard !hubs.isEmpty, hubs.allSatisfy({ $0.hasPrefix("https://") }) else {
            throw file.complaint(
                about: "hubs", message: "must name at least one address such as https://hub:7443")
        }
        let storage = try storage(&file)
        let operations = try file.integer("limits", "operations", in: 1...100)
        try file.refuseUnknown()
        return AgentConfiguration(
            hubs: hubs, storage: storage, operationLimit: operations.map(Int.init) ?? 8)
    }

    private static func storage(_ file: inout ConfigurationFile) throws -> Storage {
        let image = try file.string("storage", "loopImage")
        let size = try file.string("storage", "size")
        let mount = try file.string("storage", "mount")
        switch (image, size, mount) {
        case (let image?, let size?, nil) where image.hasPrefix("/"):
            guard let size = ByteSize(size) else {
                throw file.complaint(
                    about: "storage", "size", message: "must be a size such as \"20G\"")
            }
            return .loopImage(path: image, bytes: size.bytes)
        case (nil, nil, let mount?) where mount.hasPrefix("/"):
            return .mount(path: mount)
        default:
            throw file.complaint(
                about: "storage",
                message: "must hold either loopImage and size, or mount, with absolute paths")
        }
    }

    /// The document that `read` reads as this.
    var document: String {
        var text = "# Berth's host agent; made by `berth-agent join`.\n"
        text += "hubs = [" + hubs.map(Self.quoted).joined(separator: ", ") + "]\n\n[storage]\n"
        switch storage {
        case .loopImage(let path, let bytes):
            text += "loopImage = \(Self.quoted(path))\nsize = \"\(bytes)\"\n"
        case .mount(let path):
            text += "mount = \(Self.quoted(path))\n"
        }
        return text + "\n[limits]\noperations = \(operationLimit)\n"
    }

    /// A TOML basic string.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
