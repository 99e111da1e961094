package dev.pollard.tensor;

import org.bytedeco.javacpp.PointerScope;

/// The lifetime of native memory: every tensor made on this thread while the scope is open is freed
/// when it closes.
///
/// Scopes nest per thread. A tensor that must live longer is handed to the scope around with
/// [#release], or to nobody's care with [#keep].
public final class Scope implements AutoCloseable {
    private final PointerScope around = PointerScope.getInnerScope(); // null if there is none
    private final PointerScope scope = new PointerScope();

    private Scope() {}

    public static Scope open() {
        return new Scope();
    }

    /// Lets `tensor` outlive every scope; the caller frees it with [Tensor#close].
    public Tensor keep(Tensor tensor) {
        tensor.handle().retainReference();
        return tensor;
    }

    /// Lets `tensor`, the result of what was computed in this scope, live as long as the scope
    /// around; without one, until it is closed.
    public Tensor release(Tensor tensor) {
        if (around == null) {
            return keep(tensor);
        }
        around.attach(tensor.handle());
        return tensor;
    }

    /// Takes over a tensor that another scope let go with [#keep]: it dies with this scope.
    public Tensor adopt(Tensor tensor) {
        scope.attach(tensor.handle());
        tensor.handle().releaseReference();
        return tensor;
    }

    @Override
    public void close() {
        scope.close();
    }
}
