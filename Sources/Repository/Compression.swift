import CZstd

/// zstd as the format uses it: one frame with its content size, without a checksum (the blob's
/// SHA-256 and MAC are that), level 3.
///
/// Usable from any thread, many at once.
public final class Compression: Sendable {
    /// The level that balances time and room; restic's default too.
    public static let defaultLevel = 3

    private let compressors: InstancePool<Compressor>
    private let decompressors: InstancePool<Decompressor>

    /// - Parameter level: zstd's level, 1 to 19.
    public init(level: Int = Compression.defaultLevel) {
        let bounded = Int32(min(max(level, 1), 19))
        compressors = InstancePool { try Compressor(level: bounded) }
        decompressors = InstancePool { try Decompressor() }
    }

    /// One zstd frame.
    ///
    /// - Throws: `RepositoryError` with code `library`.
    public func compress(_ plaintext: [UInt8]) throws -> [UInt8] {
        try compressors.with { try $0.compress(plaintext) }
    }

    /// What one or more whole zstd frames hold.
    ///
    /// - Parameters:
    ///   - compressed: the frames, from outside.
    ///   - limitBytes: the most bytes that may come out; memory is never reserved beyond it.
    ///   - object: what is being opened, for the error.
    /// - Throws: `RepositoryError`: `corrupt` naming `object`, or `limitExceeded`.
    public func decompress(
        _ compressed: ArraySlice<UInt8>, limitBytes: Int, object: @autoclosure () -> String
    ) throws -> [UInt8] {
        try decompressors.with {
            try $0.decompress(compressed, limitBytes: limitBytes, object: object())
        }
    }
}

@safe private final class Compressor: @unchecked Sendable {
    // Sendable because an `InstancePool` gives it to one caller at a time.
    private let context: OpaquePointer

    init(level: Int32) throws {
        guard let context = unsafe ZSTD_createCCtx() else {
            throw RepositoryError(code: .library, message: "zstd: no memory for a context")
        }
        unsafe self.context = context
        unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)
    }

    deinit {
        unsafe ZSTD_freeCCtx(context)
    }

    func compress(_ plaintext: [UInt8]) throws -> [UInt8] {
        let bound = ZSTD_compressBound(plaintext.count)
        return try unsafe [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            let written = unsafe ZSTD_compress2(
                context, buffer.baseAddress, bound, plaintext, plaintext.count)
            guard ZSTD_isError(written) == 0 else {
                throw RepositoryError(code: .library, message: "zstd: \(name(of: written))")
            }
            count = written
        }
    }
}

@safe private final class Decompressor: @unchecked Sendable {
    // Sendable because an `InstancePool` gives it to one caller at a time.
    private let context: OpaquePointer

    /// Frames that want a larger window than 128 MiB are refused (zstd's own default).
    private static let windowLimitLog: Int32 = 27

    init() throws {
        guard let context = unsafe ZSTD_createDCtx() else {
            throw RepositoryError(code: .library, message: "zstd: no memory for a context")
        }
        unsafe self.context = context
        unsafe ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.windowLimitLog)
    }

    deinit {
        unsafe ZSTD_freeDCtx(context)
    }

    func decompress(
        _ compressed: ArraySlice<UInt8>, limitBytes: Int, object: @autoclosure () -> String
    ) throws -> [UInt8] {
        try unsafe compressed.withUnsafeBytes { input in
            let announced = unsafe ZSTD_getFrameContentSize(input.baseAddress, input.count)
            guard announced != berth_zstd_size_error() else {
                throw RepositoryError.corrupt(object(), "it is not a zstd frame")
            }
            guard announced != berth_zstd_size_unknown() else {
                return try unsafe decompressPieces(input, limitBytes: limitBytes, object: object())
            }
            guard announced <= UInt64(limitBytes) else {
                throw RepositoryError(
                    code: .limitExceeded,
                    message: "\(object()) holds \(announced) bytes, more than \(limitBytes)")
            }
            let size = Int(announced)
            return try unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
                let written = unsafe ZSTD_decompressDCtx(
                    context, buffer.baseAddress, size, input.baseAddress, input.count)
                guard ZSTD_isError(written) == 0 else {
                    throw RepositoryError.corrupt(object(), "zstd: \(name(of: written))")
                }
                guard written == size else {
                    throw RepositoryError.corrupt(
                        object(), "\(written) bytes instead of \(size) after decompression")
                }
                count = written
            }
        }
    }

    /// Frames that do not say how much they hold: a piece after another, up to the limit.
    private func decompressPieces(
        _ input: UnsafeRawBufferPointer, limitBytes: Int, object: @autoclosure () -> String
    ) throws -> [UInt8] {
        unsafe ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
        var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var piece = [UInt8](repeating: 0, count: 128 << 10)
        var answer: [UInt8] = []
        while true {
            var produced = 0
            let rest = unsafe piece.withUnsafeMutableBytes { buffer in
                var target = unsafe ZSTD_outBuffer(
                    dst: buffer.baseAddress, size: buffer.count, pos: 0)
                let rest = unsafe ZSTD_decompressStream(context, &target, &source)
                unsafe produced = target.pos
                return rest
            }
            guard ZSTD_isError(rest) == 0 else {
                throw RepositoryError.corrupt(object(), "zstd: \(name(of: rest))")
            }
            guard answer.count + produced <= limitBytes else {
                throw RepositoryError(
                    code: .limitExceeded, message: "\(object()) holds more than \(limitBytes) bytes"
                )
            }
            answer += piece[..<produced]
            let isConsumed = unsafe source.pos == source.size
            if isConsumed, rest == 0 { return answer }
            if isConsumed, produced < piece.count {
                throw RepositoryError.corrupt(object(), "its zstd frame is cut short")
            }
        }
    }
}

private func name(of code: Int) -> String {
    unsafe String(cString: ZSTD_getErrorName(code))
}
