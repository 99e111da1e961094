package dev.pollard.eval;

import dev.pollard.data.*;
import dev.pollard.model.*;
import dev.pollard.tensor.*;
import java.nio.file.Path;
import java.util.*;

class Probe {
    static void rss() {
        try {
            System.out.println(
                    java.nio.file.Files.readAllLines(Path.of("/proc/self/status")).stream()
                            .filter(
                                    s ->
                                            s.startsWith("VmHWM")
                                                    || s.startsWith("VmRSS")
                                                    || s.startsWith("RssAnon"))
                            .toList());
        } catch (Exception e) {
            throw new RuntimeException(e);
        }
    }

    public static void main(String[] a) throws Exception {
        Path shared = Path.of(a[0]);
        int length = Integer.parseInt(a[1]),
                limit = Integer.parseInt(a[2]),
                n = Integer.parseInt(a[3]);
        var compute = Compute.valueOf(a[4]);
        var w =
                new Evaluation(
                                Source.parse(shared + "/peers/wikitext2_test_ids.npy"),
                                length,
                                OptionalInt.of(limit))
                        .read(Optional.empty(), 49152);
        try (var m =
                        Model.open(
                                shared.resolve(
                                        "models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"));
                var workers = new Workers(n)) {
            rss();
            long t = System.nanoTime();
            for (int b = 0; b < m.config().blocks(); b++)
                try (var _ = Scope.open()) {
                    m.decoder().block(b, compute);
                }
            System.out.println("@@ blocks loaded in " + (System.nanoTime() - t) / 1e9);
            t = System.nanoTime();
            for (int b = 0; b < m.config().blocks(); b++)
                try (var _ = Scope.open()) {
                    m.decoder().block(b, compute);
                }
            System.out.println("@@ again " + (System.nanoTime() - t) / 1e9);
            long[] last = {System.nanoTime()};
            System.out.println(
                    "@@ "
                            + new Perplexity(compute, workers)
                                    .measure(
                                            m.decoder(),
                                            w,
                                            (d, tt) -> {
                                                if (d % (tt / 31) == 0) {
                                                    System.out.printf(
                                                            "%d/%d %.2f%n",
                                                            d,
                                                            tt,
                                                            (System.nanoTime() - last[0]) / 1e9);
                                                    last[0] = System.nanoTime();
                                                    rss();
                                                }
                                            }));
            System.out.println(
                    java.nio.file.Files.readAllLines(Path.of("/proc/self/status")).stream()
                            .filter(s -> s.startsWith("VmHWM"))
                            .toList());
        }
    }
}
