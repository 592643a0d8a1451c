import Platform

/// An open file that several pieces of work share, one after another; it is closed with its last user.
final class OpenFile: Sendable {
    private let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    /// See `Descriptor.withNumber`; the file stays open until `body` has returned.
    func withNumber<Answer>(_ body: (Int32) throws -> Answer) rethrows -> Answer {
        defer { extendLifetime(self) }
        return try descriptor.withNumber(body)
    }
}
