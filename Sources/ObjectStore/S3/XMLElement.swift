import CExpat

/// One element of an answer in XML, with what is inside it; names are without their namespace.
///
/// Parsed by expat with document types refused, so that no entity is ever expanded, and with limits
/// on depth and number; the caller limits the bytes.
struct XMLElement: Sendable {
    let name: String
    /// The text directly inside it.
    fileprivate(set) var text = ""
    fileprivate(set) var children: [XMLElement] = []

    static let depthLimit = 16
    static let countLimit = 100_000

    /// The text of the first child of this name.
    subscript(_ name: String) -> String? {
        children.first { $0.name == name }?.text
    }

    /// The children of this name, in order.
    func all(_ name: String) -> [XMLElement] {
        children.filter { $0.name == name }
    }

    /// A text as it stands inside an element.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            default: escaped.append(character)
            }
        }
        return escaped
    }

    /// Parses a document.
    ///
    /// - Throws: `ObjectStoreError` with code `failed` when it is no well-formed XML, has a document
    ///   type, or is beyond a limit.
    static func parse(_ bytes: [UInt8]) throws(ObjectStoreError) -> XMLElement {
        let builder = Builder()
        guard let parser = unsafe XML_ParserCreate("UTF-8") else {
            throw failure("expat has no memory")
        }
        defer { unsafe XML_ParserFree(parser) }
        builder.stop = { unsafe XML_StopParser(parser, 0) }
        unsafe XML_SetUserData(parser, Unmanaged.passUnretained(builder).toOpaque())
        unsafe XML_SetElementHandler(parser, elementBegan, elementEnded)
        unsafe XML_SetCharacterDataHandler(parser, textCame)
        unsafe XML_SetStartDoctypeDeclHandler(parser, documentTypeCame)
        let isWhole = unsafe bytes.withUnsafeBytes { buffer in
            let text = unsafe buffer.assumingMemoryBound(to: CChar.self).baseAddress
            let status = unsafe XML_Parse(parser, text, Int32(clamping: buffer.count), 1)
            return status == XML_STATUS_OK && buffer.count <= Int(Int32.max)
        }
        // The callbacks hold it without owning it.
        withExtendedLifetime(builder) {}
        if let refusal = builder.refusal { throw failure(refusal) }
        guard isWhole, let root = builder.root else {
            throw failure(unsafe String(cString: berth_expat_reason(parser)))
        }
        return root
    }

    private static func failure(_ reason: String) -> ObjectStoreError {
        ObjectStoreError(
            code: .failed, message: "the provider's answer cannot be read as XML: \(reason)")
    }
}

/// Gathers the elements of one document; used by one parser within one call.
private final class Builder {
    var root: XMLElement?
    var refusal: String?
    var stop: () -> Void = {}
    private var open: [XMLElement] = []
    private var count = 0

    func begin(_ name: String) {
        count += 1
        guard open.count < XMLElement.depthLimit else { return refuse("it is nested too deeply") }
        guard count <= XMLElement.countLimit else { return refuse("it has too many elements") }
        let local = name.utf8.lastIndex(of: 0x3a).map { name[name.utf8.index(after: $0)...] }
        open.append(XMLElement(name: local.map(String.init) ?? name))
    }

    func end() {
        guard let element = open.popLast() else { return }
        if open.isEmpty {
            root = element
        } else {
            open[open.count - 1].children.append(element)
        }
    }

    func add(_ text: String) {
        guard !open.isEmpty else { return }
        open[open.count - 1].text += text
    }

    func refuse(_ reason: String) {
        if refusal == nil { refusal = reason }
        stop()
    }
}

private func builder(_ context: UnsafeMutableRawPointer?) -> Builder? {
    unsafe context.map { unsafe Unmanaged<Builder>.fromOpaque($0).takeUnretainedValue() }
}

private func elementBegan(
    _ context: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?,
    _ attributes: UnsafeMutablePointer<UnsafePointer<CChar>?>?
) {
    guard let name = unsafe name else { return }
    unsafe builder(context)?.begin(String(cString: name))
}

private func elementEnded(_ context: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?) {
    unsafe builder(context)?.end()
}

private func textCame(
    _ context: UnsafeMutableRawPointer?, _ text: UnsafePointer<CChar>?, _ count: Int32
) {
    let bytes = unsafe UnsafeBufferPointer(start: text, count: Int(count))
    unsafe builder(context)?.add(
        String(decoding: UnsafeRawBufferPointer(bytes), as: UTF8.self))
}

private func documentTypeCame(
    _ context: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>?,
    _ system: UnsafePointer<CChar>?, _ id: UnsafePointer<CChar>?, _ hasInternal: Int32
) {
    unsafe builder(context)?.refuse("it has a document type")
}
