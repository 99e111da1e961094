package dev.pollard.tensor;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/// What one thread computes from leaves, so that gradients can be taken of it.
///
/// libtorch records stretches of operations; between them stand the operations whose way back is
/// ours ([FusedKernels], attention): each makes its inputs the ends of a stretch and its output the
/// start of another. Backward goes through both in turn.
///
/// While a tape is open, tensors of its thread that need a gradient may only be used by that
/// thread. What it holds is freed when it is closed, on whichever thread.
public final class Tape implements AutoCloseable {
    private static final ThreadLocal<Tape> RECORDING = new ThreadLocal<>();

    /// From the gradient of an output to those of the inputs, in their order; null for one that
    /// needs none. The gradient is contiguous.
    @FunctionalInterface
    interface Backward {
        List<Tensor> apply(Tensor gradient);
    }

    /// @param leaf null if it needs no gradient
    /// @param end of the stretch of libtorch that made it; null if none did
    private record Input(Tensor leaf, Tensor end) {}

    private record Operation(List<Input> inputs, Tensor output, Backward backward) {}

    private final List<Operation> operations = new ArrayList<>();
    private final List<Tensor> held = new ArrayList<>();

    /// Records what this thread computes until [Recording#close].
    public Recording record() {
        Tape before = RECORDING.get();
        RECORDING.set(this);
        return () -> RECORDING.set(before);
    }

    /// Ends what [#record] began.
    @FunctionalInterface
    public interface Recording extends AutoCloseable {
        @Override
        void close();
    }

    /// The tape that records this thread, or null.
    static Tape recording() {
        return RECORDING.get();
    }

    /// Enters an operation.
    ///
    /// @param output computed from the values of the inputs, unknown to libtorch's autograd
    /// @return the output, as a leaf
    Tensor enter(Tensor output, List<Tensor> inputs, Backward backward) {
        var read = inputs.stream().map(this::input).toList();
        operations.add(new Operation(read, hold(output.requireGradient()), backward));
        return output;
    }

    private Input input(Tensor tensor) {
        if (!tensor.needsGradient()) {
            return new Input(null, null);
        }
        if (tensor.handle().is_leaf()) {
            return new Input(hold(tensor), null);
        }
        Tensor end = hold(tensor);
        Tensor start = hold(tensor.detach().requireGradient());
        tensor.become(hold(start)); // all that follows starts there too
        return new Input(start, end);
    }

    /// The same tensor, alive as long as this tape.
    Tensor hold(Tensor tensor) {
        var copy = Tensor.sharing(tensor.handle());
        copy.handle().retainReference();
        held.add(copy);
        return copy;
    }

    /// `Σ gradient ∘ d end / d input` for every input.
    ///
    /// @param gradient of what is differentiated with respect to `end`, of its shape
    /// @param inputs leaves
    /// @return in the order of the inputs; empty for one that `end` does not depend on
    public List<Optional<Tensor>> gradients(Tensor end, Tensor gradient, List<Tensor> inputs) {
        if (!end.needsGradient()) {
            return Collections.nCopies(inputs.size(), Optional.empty());
        }
        var found = new Gradients(inputs, !operations.isEmpty());
        for (var operation : operations) {
            for (var input : operation.inputs) {
                if (input.end != null) {
                    found.expect(input.leaf);
                }
            }
            found.expect(operation.output);
        }
        if (end.handle().is_leaf()) {
            found.add(end, gradient);
        } else {
            found.back(List.of(end), List.of(gradient));
        }
        for (var operation : operations.reversed()) {
            Tensor arriving = found.of(operation.output);
            found.forget(operation.output);
            if (arriving != null) {
                var of = operation.backward.apply(arriving.contiguous());
                for (int i = 0; i < of.size(); i++) {
                    Tensor leaf = operation.inputs.get(i).leaf;
                    if (leaf != null) {
                        found.add(leaf, of.get(i));
                    }
                }
            }
            var ends = new ArrayList<Tensor>();
            var gradients = new ArrayList<Tensor>();
            for (var input : operation.inputs) {
                if (input.end != null) {
                    Tensor gradientOfInput = found.of(input.leaf);
                    if (gradientOfInput != null) {
                        ends.add(input.end);
                        gradients.add(gradientOfInput);
                    }
                    found.forget(input.leaf);
                }
            }
            if (!ends.isEmpty()) {
                found.back(ends, gradients);
            }
        }
        return inputs.stream().map(input -> Optional.ofNullable(found.of(input))).toList();
    }

    /// What has been found so far, by leaf.
    private static final class Gradients {
        private final boolean again; // whether a stretch may be gone through again
        private final List<Tensor> leaves = new ArrayList<>();
        private final List<Tensor> sums = new ArrayList<>(); // null: none yet

        Gradients(List<Tensor> inputs, boolean again) {
            this.again = again;
            inputs.forEach(this::expect);
        }

        void expect(Tensor leaf) {
            leaves.add(leaf);
            sums.add(null);
        }

        Tensor of(Tensor leaf) {
            return sums.get(index(leaf));
        }

        /// The last leaves go first.
        void forget(Tensor leaf) {
            int index = index(leaf);
            leaves.remove(index);
            sums.remove(index);
        }

        void add(Tensor leaf, Tensor gradient) {
            int index = index(leaf);
            if (index >= 0) {
                Tensor before = sums.get(index);
                sums.set(index, before == null ? gradient : before.add(gradient));
            }
        }

        /// Through a stretch of libtorch.
        void back(List<Tensor> ends, List<Tensor> gradients) {
            try (var scope = Scope.open()) {
                var found =
                        torch.grad(
                                vector(ends),
                                vector(leaves),
                                vector(gradients),
                                new BoolOptional(again),
                                false,
                                true);
                for (int i = 0; i < leaves.size(); i++) {
                    var g = found.get(i);
                    if (g.defined()) {
                        // What the vector holds dies with it; the copy shares the numbers.
                        Tensor gradient = Tensor.sharing(g);
                        Tensor before = sums.get(i);
                        sums.set(
                                i, scope.release(before == null ? gradient : before.add(gradient)));
                    }
                }
            }
        }

        private int index(Tensor leaf) {
            for (int i = leaves.size() - 1; i >= 0; i--) {
                if (leaves.get(i).handle().is_same(leaf.handle())) {
                    return i;
                }
            }
            return -1;
        }

        private static TensorVector vector(List<Tensor> tensors) {
            return new TensorVector(
                    tensors.stream()
                            .map(Tensor::handle)
                            .toArray(org.bytedeco.pytorch.Tensor[]::new));
        }
    }

    /// How many operations of ours it holds.
    int operations() {
        return operations.size();
    }

    @Override
    public void close() {
        operations.clear();
        held.forEach(Tensor::close);
        held.clear();
    }
}
