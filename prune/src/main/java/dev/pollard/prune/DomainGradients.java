package dev.pollard.prune;

import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.model.Model;
import dev.pollard.model.NonFiniteLossException;
import dev.pollard.model.Parameters;
import dev.pollard.prune.DomainPass.Penalty;
import dev.pollard.prune.DomainPass.Tuning;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.train.GradientPass;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/// Does a [DomainPass]: takes gradients of the layers to prune, sample by sample, and leaves their
/// mean and the mean of their squares in the store.
///
/// In memory are all weights of the model, and for each domain two numbers for every weight to
/// prune. Sums run in the order of the samples, so they do not depend on the workers.
final class DomainGradients implements AutoCloseable {
    private final DomainPass pass;
    private final int index; // of the pass
    private final int passes;
    private final Model model;
    private final Driver.Settings settings;
    private final Workers workers;
    private final BlockStore store;
    private final Consumer<RunEvent> listener;
    private final Parameters parameters;
    private final GradientPass gradients;
    private final List<Sums> open = new ArrayList<>();

    DomainGradients(
            DomainPass pass,
            int index,
            int passes,
            Model model,
            Driver.Settings settings,
            Workers workers,
            BlockStore store,
            Consumer<RunEvent> listener) {
        this.pass = pass;
        this.index = index;
        this.passes = passes;
        this.model = model;
        this.settings = settings;
        this.workers = workers;
        this.store = store;
        this.listener = listener;
        this.parameters =
                Parameters.of(
                        model, e -> e.weight().prunable() && settings.layers().test(e.module()));
        this.gradients =
                new GradientPass(parameters, settings.activations(), settings.compute(), workers);
    }

    /// Σ g and Σ g² over samples, by weight.
    private final class Sums implements AutoCloseable {
        private final Map<Entry, Tensor> gradients = new LinkedHashMap<>();
        private final Map<Entry, Tensor> squares = new LinkedHashMap<>();
        private int samples;

        Sums() {
            for (var weight : parameters.trained()) {
                try (var scope = Scope.open()) {
                    long[] shape = parameters.leaf(weight).shape();
                    gradients.put(weight, scope.keep(Tensor.zeros(shape)));
                    squares.put(weight, scope.keep(Tensor.zeros(shape)));
                }
            }
        }

        void add(Entry weight, List<Tensor> ofSamples) {
            for (Tensor g : ofSamples) {
                gradients.get(weight).add_(g);
                squares.get(weight).addcmul_(g, g, 1);
            }
        }

        void clear() {
            gradients.values().forEach(Tensor::zero_);
            squares.values().forEach(Tensor::zero_);
            samples = 0;
        }

        /// The means, in place.
        ///
        /// @param whose they are
        /// @throws NonFiniteLossException if one is not finite, which its square tells, too
        void divide(String whose) {
            gradients.values().forEach(g -> g.mul_(1.0 / samples));
            squares.forEach(
                    (weight, square) -> {
                        try (var _ = Scope.open()) {
                            double mean = square.mul_(1.0 / samples).mean().item();
                            if (!Double.isFinite(mean)) {
                                throw new NonFiniteLossException(
                                        "%s: the mean squared gradient of %s is %s"
                                                .formatted(whose, weight.module(), mean));
                            }
                        }
                    });
        }

        @Override
        public void close() {
            gradients.values().forEach(Tensor::close);
            squares.values().forEach(Tensor::close);
        }
    }

    /// @throws NonFiniteLossException if a loss or a gradient is not finite
    void run(List<Texts.Domain> domains) throws IOException {
        try (var dense = holdsByDistance() ? new Copies() : null) {
            if (pass.tuning().isPresent()) {
                tune(pass.tuning().get(), domains, dense);
            }
            var sums = new LinkedHashMap<Texts.Domain, Sums>();
            int total = domains.stream().mapToInt(d -> d.sequences().length).sum();
            int done = 0;
            for (var domain : domains) {
                var sum = new Sums();
                open.add(sum);
                int ofDomain = 0;
                String whose = "domain " + domain.name();
                for (var samples : rounds(List.of(domain.sequences()))) {
                    double[] losses = add(samples, ofDomain, sum, whose);
                    ofDomain += losses.length;
                    done += losses.length;
                    told("gradients", "sample", done, total, losses);
                }
                sum.divide(whose);
                if (dense != null) {
                    addSlope(pass.tuning().orElseThrow().penalty(), sum, dense);
                }
                sums.put(domain, sum);
            }
            commit(sums);
        }
    }

    /// Whether tuning is held back by the distance from the dense weights, which are then needed.
    private boolean holdsByDistance() {
        return pass.tuning()
                .map(tuning -> tuning.penalty().form() == Penalty.Form.EWC)
                .orElse(false);
    }

    /// @param first number of the first sample
    /// @param whose they are
    private double[] add(List<int[][]> samples, int first, Sums sums, String whose) {
        sums.samples += samples.size();
        try {
            return gradients.run(samples, first, (weight, _, g) -> sums.add(weight, g));
        } catch (NonFiniteLossException e) {
            throw new NonFiniteLossException(whose, e);
        }
    }

    /// After steps away from W⁰ the penalty has a slope, `2 λ G (W − W⁰)`, and the gradient of the
    /// regularised loss has it too.
    private void addSlope(Penalty penalty, Sums sums, Copies dense) throws IOException {
        for (var entries : byBlock().values()) {
            try (var _ = Scope.open()) {
                var importance = importance(entries, penalty);
                for (var weight : entries) {
                    Tensor way = parameters.values(weight).sub(dense.get(weight));
                    Tensor slope = importance.get(weight).mul(2 * penalty.lambda()).mul_(way);
                    sums.gradients.get(weight).add_(slope);
                }
            }
        }
    }

    private List<List<int[][]>> rounds(List<int[]> sequences) {
        var rounds = new ArrayList<List<int[][]>>();
        for (int i = 0; i < sequences.size(); i += workers.count()) {
            rounds.add(
                    sequences.subList(i, Math.min(sequences.size(), i + workers.count())).stream()
                            .map(ids -> new int[][] {ids})
                            .toList());
        }
        return rounds;
    }

    private void told(String what, String counted, int done, int total, double[] losses) {
        double loss = Arrays.stream(losses).average().orElseThrow();
        listener.accept(new RunEvent.SamplesDone(index, passes, what, counted, done, total, loss));
    }

    /// @param dense null if the penalty does not ask for them
    private void tune(Tuning tuning, List<Texts.Domain> domains, Copies dense) throws IOException {
        var random = new Random(settings.seed());
        try (var sums = new Sums()) {
            for (int step = 0; step < tuning.steps(); step++) {
                sums.clear();
                var losses = new ArrayList<Double>();
                String name = "tuning step %d".formatted(step + 1);
                for (var samples : rounds(batch(tuning.batch(), domains, random))) {
                    double[] some = add(samples, losses.size(), sums, name);
                    Arrays.stream(some).forEach(losses::add);
                }
                sums.divide(name);
                step(tuning, rate(tuning, step), sums, dense);
                double[] all = losses.stream().mapToDouble(loss -> loss).toArray();
                told("tuning", "step", step + 1, tuning.steps(), all);
            }
        }
    }

    /// Rises linearly in the first tenth of the steps, then falls linearly.
    static double rate(Tuning tuning, int step) {
        double warm = Math.max(1, tuning.steps() / 10.0);
        double left = tuning.steps() - step;
        return tuning.rate()
                * Math.min((step + 1) / warm, left / Math.max(1, tuning.steps() - warm));
    }

    private static List<int[]> batch(int size, List<Texts.Domain> domains, Random random) {
        double total = domains.stream().mapToDouble(Texts.Domain::weight).sum();
        var batch = new ArrayList<int[]>();
        for (int i = 0; i < size; i++) {
            double at = random.nextDouble() * total;
            int d = 0;
            while (d < domains.size() - 1 && at >= domains.get(d).weight()) {
                at -= domains.get(d++).weight();
            }
            int[][] sequences = domains.get(d).sequences();
            batch.add(sequences[random.nextInt(sequences.length)]);
        }
        return batch;
    }

    private void step(Tuning tuning, double rate, Sums sums, Copies dense) throws IOException {
        double squared = 0;
        for (var entries : byBlock().values()) {
            try (var _ = Scope.open()) {
                var importance = importance(entries, tuning.penalty());
                for (var weight : entries) {
                    Tensor g = sums.gradients.get(weight);
                    Tensor penalty =
                            penalty(
                                    tuning.penalty(),
                                    importance.get(weight),
                                    g,
                                    sums.squares.get(weight),
                                    weight,
                                    dense,
                                    rate);
                    if (penalty != null) {
                        g.add_(penalty);
                    }
                    squared += g.square().sum().item();
                }
            }
        }
        double scale = Math.min(1, tuning.clip() / Math.sqrt(squared));
        workers.forEach(
                parameters.trained().size(),
                (_, w) -> {
                    var weight = parameters.trained().get(w);
                    parameters.values(weight).add_(sums.gradients.get(weight), -rate * scale);
                });
    }

    /// The gradient of the penalty; null if there is none.
    private Tensor penalty(
            Penalty penalty,
            Tensor importance,
            Tensor g,
            Tensor fisher,
            Entry weight,
            Copies dense,
            double rate) {
        return switch (penalty.form()) {
            case NONE -> null;
            case PAPER ->
                    importance
                            .mul(2 * penalty.lambda() * penalty.alpha() * penalty.alpha())
                            .mul_(g)
                            .mul_(fisher);
            case EWC ->
                    // A step that would overshoot W⁰ is cut off there.
                    importance
                            .mul(2 * penalty.lambda())
                            .clampMax(1 / rate)
                            .mul_(parameters.values(weight).sub(dense.get(weight)));
        };
    }

    private Map<Entry, Tensor> importance(List<Entry> entries, Penalty penalty) throws IOException {
        var importance = new LinkedHashMap<Entry, Tensor>();
        if (penalty.form() != Penalty.Form.NONE) {
            var found = new LinkedHashMap<String, Findings>(); // in the passes before
            for (int p = 0; p < index; p++) {
                found.putAll(store.load(p, entries.getFirst().block()).orElseThrow().findings());
            }
            for (var weight : entries) {
                Tensor g = found.get(weight.module()).importance().orElseThrow();
                importance.put(weight, penalty.normalised() ? g.relative() : g);
            }
        }
        return importance;
    }

    /// The weights before the first step.
    private final class Copies implements AutoCloseable {
        private final Map<Entry, Tensor> copies = new LinkedHashMap<>();

        Copies() {
            for (var weight : parameters.trained()) {
                try (var scope = Scope.open()) {
                    copies.put(weight, scope.keep(parameters.values(weight).copy()));
                }
            }
        }

        Tensor get(Entry weight) {
            return copies.get(weight);
        }

        @Override
        public void close() {
            copies.values().forEach(Tensor::close);
        }
    }

    private Map<Integer, List<Entry>> byBlock() {
        return parameters.trained().stream()
                .collect(
                        Collectors.groupingBy(
                                Entry::block, LinkedHashMap::new, Collectors.toList()));
    }

    private void commit(Map<Texts.Domain, Sums> sums) throws IOException {
        for (var block : byBlock().entrySet()) {
            try (var _ = Scope.open()) {
                var findings = new LinkedHashMap<String, Findings>();
                for (var weight : block.getValue()) {
                    var domains = new ArrayList<Findings.Domain>();
                    sums.forEach(
                            (domain, sum) ->
                                    domains.add(
                                            new Findings.Domain(
                                                    domain.name(),
                                                    domain.weight(),
                                                    sum.gradients.get(weight),
                                                    sum.squares.get(weight))));
                    var tuned = pass.tuning().map(_ -> parameters.values(weight));
                    findings.put(weight.module(), Findings.of(domains, tuned));
                }
                store.commit(
                        index,
                        block.getKey(),
                        new BlockStore.Committed(Map.of(), findings, List.of()));
            }
        }
    }

    @Override
    public void close() {
        open.forEach(Sums::close);
        parameters.close();
    }
}
