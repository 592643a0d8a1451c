import CPlatform
import Glibc

/// What the terminal behind a descriptor is like.
public enum Terminal {
    /// Whether the descriptor is a terminal (isatty(3)).
    ///
    /// - Parameter descriptor: an open descriptor's number.
    public static func isTerminal(_ descriptor: Int32) -> Bool {
        isatty(descriptor) == 1
    }

    /// How many columns the terminal has now (ioctl_tty(2), TIOCGWINSZ), nil where it does not say.
    ///
    /// - Parameter descriptor: an open descriptor's number.
    public static func columns(_ descriptor: Int32) -> Int? {
        var size = winsize()
        let request = UInt(TIOCGWINSZ)
        guard unsafe berth_ioctl_pointer(descriptor, request, &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return Int(size.ws_col)
    }
}
