package dev.pollard.hub;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;

/// Bytes of a file as they come. A connection on which nothing comes for a while counts as broken:
/// the HTTP client would wait for ever.
final class Body implements AutoCloseable {
    private final InputStream stream;
    private final long offset;
    private final String entityTag;
    private final Thread watch;
    private volatile long lastMove = System.nanoTime();
    private volatile boolean stalled;

    /// @param offset of the first byte in the file
    /// @param entityTag the strong ETag of the file, or empty
    /// @param stall for how long nothing may come
    Body(InputStream stream, long offset, String entityTag, Duration stall) {
        this.stream = stream;
        this.offset = offset;
        this.entityTag = entityTag;
        this.watch = Thread.ofVirtual().start(() -> watch(stall));
    }

    private void watch(Duration stall) {
        try {
            while (true) {
                long left = stall.toNanos() - (System.nanoTime() - lastMove);
                if (left <= 0) {
                    stalled = true;
                    stream.close(); // wakes who reads
                    return;
                }
                Thread.sleep(Duration.ofNanos(left));
            }
        } catch (InterruptedException | IOException _) {
            // Over, or closed already.
        }
    }

    long offset() {
        return offset;
    }

    String entityTag() {
        return entityTag;
    }

    /// The next bytes.
    ///
    /// @return how many, or -1 at the end
    /// @throws TransientException if the connection broke or stalled
    int read(byte[] buffer) throws TransientException {
        int count;
        try {
            count = stream.read(buffer);
        } catch (IOException e) {
            throw stalled ? stalled(e) : new TransientException("the connection broke", e);
        }
        if (count < 0 && stalled) {
            throw stalled(null);
        }
        lastMove = System.nanoTime();
        return count;
    }

    private static TransientException stalled(IOException cause) {
        return new TransientException("nothing came any more", cause);
    }

    @Override
    public void close() throws IOException {
        watch.interrupt();
        stream.close();
    }
}
