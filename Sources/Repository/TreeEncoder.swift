/// Writes a directory's tree as restic does, bit for bit: `{"nodes":[…]}` and a newline, fields in
/// the order of restic's `Node` struct (internal/restic/node.go), nodes ascending by raw name.
public enum TreeEncoder {
    /// The JSON of a tree.
    ///
    /// - Parameter nodes: ascending by the raw bytes of their names, without duplicates, as the
    ///   scan gives them; anything else is a programmer's error.
    public static func encode(_ nodes: [Node]) -> [UInt8] {
        var json: [UInt8] = []
        json.reserveCapacity(32 + nodes.count * 400)
        GoJSON.append("{\"nodes\":[", to: &json)
        for index in nodes.indices {
            if index > 0 {
                precondition(
                    nodes[index - 1].name.lexicographicallyPrecedes(nodes[index].name),
                    "the nodes of a tree ascend by name")
                json.append(UInt8(ascii: ","))
            }
            append(nodes[index], to: &json)
        }
        GoJSON.append("]}\n", to: &json)
        return json
    }

    private static func append(_ node: Node, to json: inout [UInt8]) {
        GoJSON.append("{\"name\":", to: &json)
        GoJSON.append(string: GoQuote.quote(node.name), to: &json)
        GoJSON.append(",\"type\":\"", to: &json)
        json.append(contentsOf: node.kind.rawValue.utf8)
        json.append(UInt8(ascii: "\""))
        appendNumber(",\"mode\":", UInt64(node.mode.rawValue), to: &json)
        GoJSON.append(",\"mtime\":", to: &json)
        let timeStart = json.count
        node.modified.append(to: &json)
        let time = [UInt8](json[timeStart...])
        GoJSON.append(",\"atime\":", to: &json)
        json.append(contentsOf: time)
        GoJSON.append(",\"ctime\":", to: &json)
        json.append(contentsOf: time)
        GoJSON.append(",\"uid\":", to: &json)
        GoJSON.append(UInt64(node.uid), to: &json)
        GoJSON.append(",\"gid\":", to: &json)
        GoJSON.append(UInt64(node.gid), to: &json)
        appendNumber(",\"inode\":", node.inode, to: &json)
        appendNumber(",\"device_id\":", node.deviceID, to: &json)
        appendNumber(",\"size\":", node.sizeBytes, to: &json)
        appendNumber(",\"links\":", node.links, to: &json)
        appendLinkTarget(node.linkTarget, to: &json)
        appendAttributes(node.extendedAttributes, to: &json)
        appendNumber(",\"device\":", node.device, to: &json)
        appendContent(node, to: &json)
        if let subtree = node.subtree {
            GoJSON.append(",\"subtree\":", to: &json)
            GoJSON.append(subtree, to: &json)
        }
        json.append(UInt8(ascii: "}"))
    }

    /// Go's `omitempty`: nothing for zero.
    private static func appendNumber(
        _ field: StaticString, _ number: UInt64, to json: inout [UInt8]
    ) {
        guard number != 0 else { return }
        GoJSON.append(field, to: &json)
        GoJSON.append(number, to: &json)
    }

    private static func appendLinkTarget(_ target: [UInt8], to json: inout [UInt8]) {
        guard !target.isEmpty else { return }
        GoJSON.append(",\"linktarget\":", to: &json)
        GoJSON.append(string: target, to: &json)
        if !UTF8Sequence.isValid(target) {
            GoJSON.append(",\"linktarget_raw\":", to: &json)
            GoJSON.append(base64: target, to: &json)
        }
    }

    private static func appendAttributes(
        _ attributes: [Node.ExtendedAttribute], to json: inout [UInt8]
    ) {
        guard !attributes.isEmpty else { return }
        GoJSON.append(",\"extended_attributes\":[", to: &json)
        for index in attributes.indices {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            GoJSON.append("{\"name\":", to: &json)
            GoJSON.append(string: attributes[index].name, to: &json)
            GoJSON.append(",\"value\":", to: &json)
            GoJSON.append(base64: attributes[index].value, to: &json)
            json.append(UInt8(ascii: "}"))
        }
        json.append(UInt8(ascii: "]"))
    }

    private static func appendContent(_ node: Node, to json: inout [UInt8]) {
        guard node.kind == .file else {
            GoJSON.append(",\"content\":null", to: &json)
            return
        }
        GoJSON.append(",\"content\":[", to: &json)
        for index in node.content.indices {
            if index > 0 { json.append(UInt8(ascii: ",")) }
            GoJSON.append(node.content[index], to: &json)
        }
        json.append(UInt8(ascii: "]"))
    }
}
