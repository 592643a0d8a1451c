import CPlatform
import Glibc

/// Everything that a new process is made of; `start()` makes it (fork and exec).
///
/// The child leads a session and process group of its own, has default signal dispositions, and
/// no descriptors but the standard three.
struct Spawn: Sendable {
    let program: String
    let arguments: [String]
    let environment: [String: String]?
    let directory: String?
    let user: UserIdentity?
    let diesWithParent: Bool
    var controlGroup: ControlGroup?

    /// Starts the program.
    ///
    /// - Parameters:
    ///   - input: standard input, or -1 for /dev/null; likewise `output` and `errorOutput`.
    /// - Returns: the process id; the caller must reap it.
    /// - Throws: `PlatformError` with the error number of the step that failed, exec included.
    func start(input: Int32, output: Int32, errorOutput: Int32) throws -> Int32 {
        let path = try Self.find(program)
        for text in [path, directory ?? ""] + arguments where text.utf8.contains(0) {
            throw PlatformError(
                code: .childProcess, message: "start \(program): an argument holds a NUL")
        }
        let argv = unsafe Self.strings([program] + arguments)
        defer { unsafe Self.free(argv) }
        let variables = environment.map { $0.map { "\($0.key)=\($0.value)" } }
        let envp = unsafe Self.strings(variables ?? Self.ownEnvironment())
        defer { unsafe Self.free(envp) }
        var what = unsafe berth_spawn()
        unsafe what.arguments = UnsafePointer(argv)
        unsafe what.environment = UnsafePointer(envp)
        unsafe what.standard_input = input
        unsafe what.standard_output = output
        unsafe what.standard_error = errorOutput
        unsafe what.new_session = 1
        unsafe what.die_with_parent = diesWithParent ? 1 : 0
        if let user {
            unsafe what.change_identity = 1
            unsafe what.user = user.userID
            unsafe what.group = user.groupID
        }
        // Open to the end of this call, which is behind the child's exec.
        let group = try controlGroup?.openProcesses()
        defer { if let group { close(group) } }
        if let group { unsafe what.group_processes = group }
        return try unsafe path.withCString { path in
            unsafe what.program = path
            guard let directory else { return try unsafe run(&what) }
            return try unsafe directory.withCString { directory in
                unsafe what.directory = directory
                return try unsafe run(&what)
            }
        }
    }

    private func run(_ what: inout berth_spawn) throws -> Int32 {
        let pid = unsafe berth_spawn(&what)
        guard pid > 0 else {
            let place = directory.map { " in \($0)" } ?? ""
            throw PlatformError(
                code: .childProcess, message: "start \(program)\(place)", errno: errno)
        }
        return pid
    }

    /// The path of a program: itself when it has a slash, else the first match in `PATH`.
    static func find(_ program: String) throws -> String {
        if program.contains("/") { return program }
        let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? ""
        let standard = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        for directory in "\(path):\(standard)".split(separator: ":") {
            let candidate = "\(directory)/\(program)"
            var status = stat()
            guard unsafe stat(candidate, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                continue
            }
            if unsafe access(candidate, X_OK) == 0 { return candidate }
        }
        throw PlatformError(
            code: .childProcess, message: "start \(program): it is not installed, or not in PATH",
            errno: ENOENT)
    }

    private static func ownEnvironment() -> [String] {
        var variables: [String] = []
        var next = unsafe environ
        while let text = unsafe next.pointee {
            unsafe variables.append(String(cString: text))
            unsafe next += 1
        }
        return variables
    }

    private static func strings(
        _ texts: [String]
    ) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
        let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(
            capacity: texts.count + 1)
        for (index, text) in texts.enumerated() {
            unsafe (list + index).initialize(to: strdup(text))
        }
        unsafe (list + texts.count).initialize(to: nil)
        return unsafe list
    }

    private static func free(_ list: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) {
        var next = unsafe list
        while let text = unsafe next.pointee {
            unsafe Glibc.free(text)
            unsafe next += 1
        }
        unsafe list.deallocate()
    }
}
