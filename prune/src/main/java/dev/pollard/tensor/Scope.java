package dev.pollard.tensor;

import org.bytedeco.javacpp.PointerScope;

/// The lifetime of native memory: every tensor made on this thread while the scope is open is freed
/// when it closes.
///
/// Scopes nest per thread. A tensor that must live longer is handed to the scope around with
/// [#keep].
public final class Scope implements AutoCloseable {
    private final PointerScope scope = new PointerScope();

    private Scope() {}

    public static Scope open() {
        return new Scope();
    }

    /// Lets `tensor` outlive every scope; the caller frees it with [Tensor#close].
    public <T extends Tensor> T keep(T tensor) {
        tensor.handle().retainReference();
        return tensor;
    }

    @Override
    public void close() {
        scope.close();
    }
}
