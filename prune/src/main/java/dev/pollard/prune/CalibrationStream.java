package dev.pollard.prune;

import dev.pollard.data.TokenWindows;
import dev.pollard.model.Block;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.Linear;
import dev.pollard.model.Tap;
import dev.pollard.stats.InputStats;
import dev.pollard.stats.LayerStats;
import dev.pollard.stats.Statistic;
import dev.pollard.stats.Tokens;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// The residual stream of all calibration sequences on its way through the model:
/// `[sequences, time, hidden]` float32, in native memory or in a mapped file.
final class CalibrationStream implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment floats;
    private final Optional<MemorySegment> denseFloats;
    private final Compute compute;
    private final Workers workers;
    private final int sequences;
    private final long time;
    private final long hidden;
    private Block denseBlock; // the dense form of the block at work, if there is a dense stream

    /// The stream that enters block 0.
    ///
    /// @param ids `[sequences][time]`, all of one length
    /// @param both whether the activations of the dense model go along, see [#enter]
    /// @param spill the folder of the mapped file; memory if empty
    /// @throws IllegalArgumentException if there are no sequences or their lengths differ
    CalibrationStream(
            Decoder decoder,
            int[][] ids,
            boolean both,
            Compute compute,
            Workers workers,
            Optional<Path> spill)
            throws IOException {
        if (ids.length == 0) {
            throw new IllegalArgumentException("no calibration sequences");
        }
        this.compute = compute;
        this.workers = workers;
        this.sequences = ids.length;
        this.time = ids[0].length;
        this.hidden = decoder.config().hiddenSize();
        try {
            long bytes = bytes(sequences, time, hidden);
            this.floats = room(spill, bytes);
            this.denseFloats = both ? Optional.of(room(spill, bytes)) : Optional.empty();
            workers.forEach(
                    sequences,
                    (_, i) -> {
                        if (ids[i].length != time) {
                            throw new IllegalArgumentException(
                                    "calibration sequence %d has %d tokens, the first %d"
                                            .formatted(i, ids[i].length, time));
                        }
                        Tensor x = decoder.embed(ids[i]);
                        sequence(floats, i).copy_(x);
                        denseFloats.ifPresent(dense -> sequence(dense, i).copy_(x));
                    });
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    static long bytes(long sequences, long time, long hidden) {
        return Math.multiplyExact(4 * sequences, Math.multiplyExact(time, hidden));
    }

    private MemorySegment room(Optional<Path> spill, long bytes) throws IOException {
        return spill.isPresent() ? map(spill.get(), bytes) : arena.allocate(bytes, 64);
    }

    private MemorySegment map(Path folder, long bytes) throws IOException {
        Path file = Files.createTempFile(folder, "activations-", ".f32");
        try (var channel =
                FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            // A page of the mapping that finds the disk full would end the process.
            var zeros = ByteBuffer.allocateDirect(1 << 20);
            for (long at = 0; at < bytes; ) {
                zeros.clear().limit((int) Math.min(zeros.capacity(), bytes - at));
                at += channel.write(zeros, at);
            }
            return channel.map(FileChannel.MapMode.READ_WRITE, 0, bytes, arena);
        } finally {
            Files.delete(file); // the mapping lives on, and nothing is left behind
        }
    }

    /// The stream of one sequence, `[time, hidden]`: a view, writing to it changes the stream.
    private Tensor sequence(MemorySegment stream, int index) {
        long bytes = 4 * time * hidden;
        return Tensor.view(stream.asSlice(index * bytes, bytes), time, hidden);
    }

    /// Tokens of all sequences.
    long tokens() {
        return sequences * time;
    }

    /// Whether the activations of the dense model go along.
    boolean isDouble() {
        return denseFloats.isPresent();
    }

    /// Says with which block the dense activations go on: the dense form of the one that the
    /// following calls are given.
    void enter(Block denseBlock) {
        this.denseBlock = denseBlock;
    }

    /// Sends the stream through `block`.
    void advance(Block block) {
        try (var _ = Engine.bf16Products(compute == Compute.BFLOAT16)) {
            workers.forEach(
                    sequences,
                    (_, i) -> {
                        Tensor x = sequence(floats, i);
                        x.copy_(block.forward(x, Tap.NONE));
                        denseFloats.ifPresent(
                                dense -> {
                                    Tensor d = sequence(dense, i);
                                    d.copy_(denseBlock.forward(d, Tap.NONE));
                                });
                    });
        }
    }

    /// Gathers what enters `layers` of `block`; the stream stays where it is, and nothing is
    /// computed that only the output of the block needs.
    Map<String, LayerStats> capture(
            Block block, List<Linear> layers, Set<Statistic> needs, Tokens tokens) {
        var names = new HashSet<String>();
        layers.forEach(layer -> names.add(layer.name()));
        String last = block.linears().getLast().name();
        boolean split = needs.contains(Statistic.HELD_OUT) && sequences > 1;
        int[] places = new int[sequences]; // among those to fit to
        int toFit = 0;
        for (int i = 0; i < sequences; i++) {
            places[i] = toFit;
            toFit += split && TokenWindows.isHeldOut(i, sequences) ? 0 : 1;
        }
        long fitRows = toFit * time;
        try (var _ = Engine.bf16Products(compute == Compute.BFLOAT16);
                var fit = new InputStats(needs, tokens, workers.count(), fitRows);
                var heldOut = new InputStats(needs, tokens, workers.count(), 0)) {
            workers.forEach(
                    sequences,
                    (worker, i) -> {
                        boolean isFit = !split || !TokenWindows.isHeldOut(i, sequences);
                        var stats = isFit ? fit : heldOut;
                        var dense = new HashMap<String, Tensor>();
                        if (Driver.needsDenseStream(needs)) {
                            denseInputs(i, names, last, dense);
                        }
                        block.forward(
                                sequence(floats, i),
                                (layer, input) -> {
                                    String name = layer.name();
                                    if (names.contains(name)) {
                                        Tensor d = dense.get(name);
                                        add(stats, worker, name, input, d, needs);
                                        if (isFit) {
                                            long first = places[i] * time;
                                            keep(stats, worker, name, input, d, first, needs);
                                        }
                                    }
                                    return !layer.name().equals(last);
                                });
                        dense.values().forEach(Tensor::close);
                    });
            return split ? LayerStats.joined(fit.finish(), heldOut.finish()) : fit.finish();
        }
    }

    private static void add(
            InputStats stats,
            int worker,
            String layer,
            Tensor input,
            Tensor dense,
            Set<Statistic> needs) {
        stats.add(worker, layer, input);
        if (needs.contains(Statistic.CROSS_GRAM)) {
            stats.addCross(worker, layer, dense, input);
        }
        if (needs.contains(Statistic.DENSE_GRAM)) {
            stats.addDense(worker, layer, dense, input);
        }
    }

    private static void keep(
            InputStats stats,
            int worker,
            String layer,
            Tensor input,
            Tensor dense,
            long first,
            Set<Statistic> needs) {
        if (needs.contains(Statistic.INPUTS)) {
            stats.keep(worker, layer, input, first);
        }
        if (needs.contains(Statistic.DENSE_INPUTS)) {
            stats.keepDense(worker, layer, dense, input, first);
        }
    }

    /// Gathers what enters `layers` of a block that stays as it is, and sends the stream through
    /// it, both in one forward pass. Only for a stream without dense activations beside it.
    Map<String, LayerStats> captureOnTheWay(
            Block block, List<Linear> layers, Set<Statistic> needs) {
        var names = new HashSet<String>();
        layers.forEach(layer -> names.add(layer.name()));
        try (var _ = Engine.bf16Products(compute == Compute.BFLOAT16);
                var stats = new InputStats(needs, Tokens.PLAIN, workers.count(), 0)) {
            workers.forEach(
                    sequences,
                    (worker, i) -> {
                        Tensor x = sequence(floats, i);
                        x.copy_(
                                block.forward(
                                        x,
                                        (layer, input) -> {
                                            if (names.contains(layer.name())) {
                                                stats.add(worker, layer.name(), input);
                                            }
                                            return true;
                                        }));
                    });
            return stats.finish();
        }
    }

    /// Fills in what enters the layers of the dense block, to be closed by the caller.
    private void denseInputs(
            int index, Set<String> names, String last, Map<String, Tensor> inputs) {
        denseBlock.forward(
                sequence(denseFloats.orElseThrow(), index),
                (layer, input) -> {
                    if (names.contains(layer.name())) {
                        try (var scope = Scope.open()) {
                            // A view of its own for every layer, for each is closed by itself.
                            inputs.put(layer.name(), scope.keep(input.reshape(input.shape())));
                        }
                    }
                    return !layer.name().equals(last);
                });
    }

    @Override
    public void close() {
        arena.close();
    }
}
