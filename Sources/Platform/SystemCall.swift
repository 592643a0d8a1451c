import CPlatform
import Glibc

/// The text of an error number (strerror_r(3)), such as `No such file or directory`.
public func describe(errno number: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard unsafe strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
    let text = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: text, as: UTF8.self)
}

/// Runs a system call that answers -1 for failure, again for as long as a signal interrupts it.
///
/// - Parameters:
///   - what: what is being tried and on what, for the error's message.
///   - call: the call; it must leave `errno` as the system set it.
/// - Returns: the call's answer, never negative.
/// - Throws: `PlatformError` with the error number.
@discardableResult @inlinable
public func systemCall<Answer: SignedInteger>(
    _ what: @autoclosure () -> String, _ call: () throws -> Answer
) throws -> Answer {
    while true {
        let answer = try call()
        if answer >= 0 { return answer }
        if let error = lastFailure(what()) { throw error }
    }
}

/// What `errno` says; nil where a signal interrupted the call.
@usableFromInline
func lastFailure(_ what: @autoclosure () -> String) -> PlatformError? {
    let number = errno
    if number == EINTR { return nil }
    return PlatformError(code: .systemCall, message: what(), errno: number)
}
