import Glibc

/// Reads a directory's tree: Berth's own and stock restic's.
///
/// Everything comes from outside: names, targets and attributes are held to what Linux can hold
/// (path_resolution(7), xattr(7)), so that what restores a decoded tree stays below its target.
public enum TreeDecoder {
    /// The entries of a tree, ascending by the raw bytes of their names.
    ///
    /// - Parameter json: the plaintext of a tree blob.
    /// - Throws: `RepositoryError` with the code `corrupt` for anything that is not a tree, for a
    ///   name that no directory could hold (`/`, NUL, `.`, `..`, empty, above 255 bytes) and for
    ///   names that do not ascend; `unsupported` for a kind of entry that is not known.
    public static func decode(_ json: [UInt8]) throws(RepositoryError) -> [Node] {
        var cursor = GoJSONCursor(json)
        var nodes: [Node] = []
        try cursor.object { (cursor, field) throws(RepositoryError) in
            guard field == "nodes" else { return try cursor.skip() }
            try cursor.array { (cursor) throws(RepositoryError) in
                let node = try decodeNode(&cursor)
                if let last = nodes.last, !last.name.lexicographicallyPrecedes(node.name) {
                    throw .corrupt(
                        "tree", "'\(node.displayName)' is there twice or out of order")
                }
                nodes.append(node)
            }
        }
        guard cursor.isAtEnd() else { throw cursor.failure("something after the tree") }
        return nodes
    }

    /// Why a directory cannot hold an entry of this name, or nil where it can.
    static func objection(toName name: [UInt8]) -> String? {
        if name.isEmpty { return "an empty name" }
        if name.count > 255 { return "a name of \(name.count) bytes" }
        if name.contains(0) || name.contains(UInt8(ascii: "/")) {
            return "a name with a slash or NUL"
        }
        if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) {
            return "the name '\(String(decoding: name, as: UTF8.self))'"
        }
        return nil
    }

    private static func decodeNode(_ cursor: inout GoJSONCursor) throws(RepositoryError) -> Node {
        var node = Node(
            name: [], kind: .file, mode: NodeMode(rawValue: 0), modified: NodeTime(seconds: 0),
            uid: 0, gid: 0)
        var kind: Node.Kind?
        var hasContent = false
        var rawTarget: [UInt8]?
        try cursor.object { (cursor, field) throws(RepositoryError) in
            switch field {
            case "name": node.name = try name(&cursor)
            case "type": kind = try self.kind(&cursor)
            case "content":
                hasContent = !cursor.takeNull()
                if hasContent { node.content = try identifiers(&cursor) }
            case "linktarget_raw": rawTarget = try base64(&cursor)
            default: try decode(field, of: &node, from: &cursor)
            }
        }
        guard let kind else { throw .corrupt("tree", "an entry without a type") }
        node.kind = kind
        if let rawTarget { node.linkTarget = rawTarget }
        try check(node, hasContent: hasContent)
        return node
    }

    private static func decode(
        _ field: String, of node: inout Node, from cursor: inout GoJSONCursor
    ) throws(RepositoryError) {
        switch field {
        case "mode": node.mode = NodeMode(rawValue: try cursor.number32())
        case "mtime":
            guard let time = NodeTime(rfc3339: try cursor.string()) else {
                throw cursor.failure("not a time")
            }
            node.modified = time
        case "uid": node.uid = try cursor.number32()
        case "gid": node.gid = try cursor.number32()
        case "inode": node.inode = try cursor.number()
        case "device_id": node.deviceID = try cursor.number()
        case "size": node.sizeBytes = try cursor.number()
        case "links": node.links = try cursor.number()
        case "linktarget": node.linkTarget = try cursor.string()
        case "extended_attributes": node.extendedAttributes = try attributes(&cursor)
        case "device": node.device = try cursor.number()
        case "subtree": node.subtree = cursor.takeNull() ? nil : try cursor.identifier()
        default: try cursor.skip()
        }
    }

    private static func check(_ node: Node, hasContent: Bool) throws(RepositoryError) {
        if let objection = objection(toName: node.name) {
            throw .corrupt("tree", "it holds \(objection)")
        }
        let name = node.displayName
        switch node.kind {
        case .file where !hasContent:
            throw .corrupt("tree", "the file '\(name)' has no content list")
        case .directory where node.subtree == nil:
            throw .corrupt("tree", "the directory '\(name)' has no subtree")
        case .symlink
        where node.linkTarget.isEmpty || node.linkTarget.count >= Int(PATH_MAX)
            || node.linkTarget.contains(0):
            throw .corrupt("tree", "the symlink '\(name)' has a target that no symlink can have")
        default: break
        }
        for attribute in node.extendedAttributes
        where attribute.name.isEmpty || attribute.name.count > 255 || attribute.name.contains(0)
            || attribute.value.count > 65_536
        {
            throw .corrupt("tree", "'\(name)' has an attribute that no file can have")
        }
    }

    private static func name(_ cursor: inout GoJSONCursor) throws(RepositoryError) -> [UInt8] {
        guard let name = GoQuote.unquote(try cursor.string()) else {
            throw cursor.failure("not a quoted name")
        }
        return name
    }

    private static let kinds = Node.Kind.allCases.map { Array($0.rawValue.utf8) }

    private static func kind(_ cursor: inout GoJSONCursor) throws(RepositoryError) -> Node.Kind {
        guard let position = try cursor.word(of: kinds) else {
            throw RepositoryError(
                code: .unsupported, message: "the tree holds an entry of a kind that is not known")
        }
        return Node.Kind.allCases[position]
    }

    private static func identifiers(
        _ cursor: inout GoJSONCursor
    ) throws(RepositoryError) -> [BlobID] {
        var ids: [BlobID] = []
        try cursor.array { (cursor) throws(RepositoryError) in
            ids.append(try cursor.identifier())
        }
        return ids
    }

    private static func base64(_ cursor: inout GoJSONCursor) throws(RepositoryError) -> [UInt8] {
        if cursor.takeNull() { return [] }
        guard let bytes = GoJSON.decode(base64: try cursor.string()) else {
            throw cursor.failure("not base64")
        }
        return bytes
    }

    private static func attributes(
        _ cursor: inout GoJSONCursor
    ) throws(RepositoryError) -> [Node.ExtendedAttribute] {
        var attributes: [Node.ExtendedAttribute] = []
        try cursor.array { (cursor) throws(RepositoryError) in
            var name: [UInt8] = []
            var value: [UInt8] = []
            try cursor.object { (cursor, field) throws(RepositoryError) in
                switch field {
                case "name": name = try cursor.string()
                case "value": value = try base64(&cursor)
                default: try cursor.skip()
                }
            }
            attributes.append(Node.ExtendedAttribute(name: name, value: value))
        }
        return attributes.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }
}
