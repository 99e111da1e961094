package dev.pollard.hub;

/// Follows a download. Called by the thread that downloads.
public interface PullListener {
    /// Hears nothing.
    PullListener NONE = new PullListener() {};

    /// It is known what there is to do.
    ///
    /// @param bytes of all files
    /// @param there bytes that need not be fetched again
    default void begins(long bytes, long there) {}

    /// Some bytes came.
    ///
    /// @param file name of the file they belong to
    /// @param there bytes of all files that are there now; falls when a file begins again
    default void received(String file, long there) {}

    /// Something worth a line that stays: a second attempt, a file fetched again.
    default void note(String line) {}
}
