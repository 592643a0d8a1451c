import Shared

/// The variables that a project's processes get; nothing of the agent's own.
enum RuntimeEnvironment {
    /// - Parameters:
    ///   - project: whose process it is.
    ///   - home: the volume.
    ///   - more: the runtime's own; they win.
    static func make(
        project: ProjectID, home: String, more: [String: String]
    ) -> [String: String] {
        let basic = [
            "HOME": home, "PWD": home, "LANG": "C.UTF-8", "PROJECT": "\(project)",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SHELL": "/bin/sh",
        ]
        return basic.merging(more) { $1 }
    }
}
