package dev.pollard.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every family computes the same, whether a sequence is alone, shares its beginning with others in
/// one stream, or goes on from kept keys.
@Tag("shared")
class SharedRowsTest {
    private static final int VOCABULARY = 100;
    private static final int[] A = new Random(1).ints(20, 0, VOCABULARY).toArray();

    static List<Path> models() throws IOException {
        try (Stream<Path> folders = Files.list(Shared.MODELS)) {
            return folders.filter(Files::isDirectory).sorted().toList();
        }
    }

    /// The first `shared` tokens of `ids`, then others.
    private static int[] branch(int[] ids, int shared, int length, long seed) {
        int[] others = new Random(seed).ints(length, 0, VOCABULARY).toArray();
        System.arraycopy(ids, 0, others, 0, shared);
        return others;
    }

    private static int[] concat(int[]... parts) {
        return Arrays.stream(parts).flatMapToInt(Arrays::stream).toArray();
    }

    private static int[] from(int[] ids, int from) {
        return Arrays.copyOfRange(ids, from, ids.length);
    }

    /// The last row of logits of every sequence, each alone.
    private static float[] alone(Model model, int[]... sequences) {
        var rows = new float[sequences.length][];
        for (int i = 0; i < rows.length; i++) {
            try (var _ = Scope.open()) {
                Tensor logits = model.forward(sequences[i], Compute.FLOAT32);
                rows[i] = logits.select(0, sequences[i].length - 1).toFloats();
            }
        }
        float[] all = new float[rows.length * rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, all, i * rows[0].length, rows[0].length);
        }
        return all;
    }

    @ParameterizedTest
    @MethodSource("models")
    void sequencesShareTheirBeginnings(Path folder) throws IOException {
        int[] b = branch(A, 12, 17, 2);
        int[] c = branch(b, 14, 16, 3); // 12 of A, 2 of b, 2 of its own
        int[] d = branch(A, 0, 9, 4);
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            var rows = new Rows.Builder();
            int first = rows.begin(A.length);
            int second = rows.branch(first, 12, b.length - 12);
            rows.branch(second, 14, c.length - 14);
            rows.begin(d.length);
            var built = rows.build();
            int[] ids = concat(A, from(b, 12), from(c, 14), d);
            Tensor x = model.decoder().embed(ids, built);
            for (int block = 0; block < model.config().blocks(); block++) {
                x = model.decoder().block(block, Compute.FLOAT32).forward(x, built, Tap.NONE);
            }
            Tensor ends = x.rows(Tensor.ofIds(new int[] {19, 24, 26, 35}));
            assertArrayEquals(
                    alone(model, A, b, c, d), model.decoder().logits(ends).toFloats(), 1e-5f);
        }
    }

    /// A trunk of 8 tokens, kept; one that goes on from it and is kept as well, token by token; two
    /// that only read it.
    @ParameterizedTest
    @MethodSource("models")
    void sequencesGoOnFromKeptKeys(Path folder) throws IOException {
        int[] b = branch(A, 8, 13, 5);
        int[] c = branch(b, 10, 15, 6);
        try (var model = Model.open(folder);
                var _ = Scope.open()) {
            int blocks = model.config().blocks();
            var trunk = new KeyValues[blocks];
            var grown = new KeyValues[blocks];
            Arrays.setAll(trunk, _ -> new KeyValues());
            Arrays.setAll(grown, _ -> new KeyValues());
            through(model, Arrays.copyOf(A, 8), trunk, null, 0);
            Tensor a = null;
            for (int t = 8; t < A.length; t++) {
                var before = t == 8 ? trunk : grown;
                int[] id = {A[t]};
                a = through(model, id, grown, before, t);
            }
            Tensor x = model.decoder().embed(concat(from(b, 8), from(c, 10)), two(null, 8, 10));
            for (int i = 0; i < blocks; i++) {
                var rows = two(trunk[i], 8, 10);
                x = model.decoder().block(i, Compute.FLOAT32).forward(x, rows, Tap.NONE);
            }
            Tensor ends = Tensor.cat(0, a, x.rows(Tensor.ofIds(new int[] {4, 9})));
            assertArrayEquals(
                    alone(model, A, b, c), model.decoder().logits(ends).toFloats(), 1e-5f);
            Stream.of(trunk, grown).flatMap(Arrays::stream).forEach(KeyValues::close);
        }
    }

    private static Rows two(KeyValues trunk, int position, int shared) {
        var rows = new Rows.Builder();
        int first = rows.after(trunk, position, 5, null);
        rows.branch(first, shared, 5);
        return rows.build();
    }

    /// A stream of one segment after the first `from` tokens.
    private static Tensor through(
            Model model, int[] ids, KeyValues[] kept, KeyValues[] before, int from) {
        Tensor x = null;
        for (int i = 0; i < kept.length; i++) {
            var rows = new Rows.Builder();
            rows.after(before == null ? null : before[i], from, ids.length, kept[i]);
            var built = rows.build();
            x = i == 0 ? model.decoder().embed(ids, built) : x;
            x = model.decoder().block(i, Compute.FLOAT32).forward(x, built, Tap.NONE);
        }
        return x;
    }
}
