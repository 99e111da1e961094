package dev.pollard.train;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.config.Checkpoint.Entry;
import dev.pollard.format.DType;
import dev.pollard.format.safetensors.SafetensorsWriter;
import dev.pollard.format.safetensors.SafetensorsWriter.Declaration;
import dev.pollard.format.safetensors.ShardedSafetensors;
import dev.pollard.model.Compute;
import dev.pollard.model.Model;
import dev.pollard.model.Parameters;
import dev.pollard.model.Rows;
import dev.pollard.model.Tap;
import dev.pollard.tensor.Engine;
import dev.pollard.tensor.Scope;
import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.tokenizer.BpeTrainer;
import dev.pollard.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Trains a model from nothing: vocabulary, first weights, steps, checkpoints, and at the end a
/// Hugging Face folder in bfloat16.
///
/// All that is unfinished lies in a folder beside the output, `OUT.training`: tokenizer, first
/// weights, the last checkpoint, the log. A run that was killed is resumed from there and gives the
/// same bytes. The output appears when it is complete.
public final class Training {
    private static final String BEGIN = "<|begin|>";
    private static final String END = "<|end|>";
    private static final String CHECKPOINT = "checkpoint.safetensors";
    private static final String TOKENS = "tokens.safetensors";
    private static final String LOG = "training.jsonl";

    /// Steps per line of the log; a checkpoint comes after a line.
    private static final int LINE = 10;

    /// Hears how a training goes on.
    public interface Listener {
        /// Something that takes a while begins.
        void begin(String what);

        /// Some steps are done.
        ///
        /// @param step steps done of `steps`
        /// @param loss mean of the steps since the last call
        /// @param tokensPerSecond of the steps since the last call
        /// @param secondsLeft at that pace
        void progress(
                long step, long steps, double loss, double tokensPerSecond, double secondsLeft);

        /// Held-out documents were measured.
        ///
        /// @param loss mean negative log-likelihood of a token, in nats
        void heldOut(long step, double loss);
    }

    private final TrainingRecipe recipe;
    private final Path output;
    private final Path folder;
    private final Compute compute;
    private final Workers workers;
    private final Listener listener;

    /// @param output the folder to be made
    public Training(
            TrainingRecipe recipe,
            Path output,
            Compute compute,
            Workers workers,
            Listener listener) {
        this.recipe = recipe;
        this.output = output;
        this.folder = output.resolveSibling(output.getFileName() + ".training");
        this.compute = compute;
        this.workers = workers;
        this.listener = listener;
    }

    /// Trains from the beginning, or from the last checkpoint.
    ///
    /// @param resume whether to go on with what lies beside the output
    /// @throws FileAlreadyExistsException if the output, or an unfinished run that is not to be
    ///     resumed, is there
    /// @throws NoSuchFileException if there is no run to resume
    /// @throws IllegalArgumentException if the run was another recipe's, or its end cannot be moved
    /// @throws dev.pollard.format.MalformedFileException if a file is broken
    /// @throws dev.pollard.model.NonFiniteLossException if the training diverges
    public void run(boolean resume) throws IOException {
        if (Files.exists(output)) {
            throw new FileAlreadyExistsException(output.toString());
        }
        Path checkpoint = folder.resolve(CHECKPOINT);
        if (resume && !Files.exists(checkpoint)) {
            throw new NoSuchFileException(
                    checkpoint.toString(), null, "no checkpoint to resume from");
        }
        if (!resume && Files.exists(checkpoint)) {
            throw new FileAlreadyExistsException(
                    folder.toString(), null, "an unfinished run: --resume, or remove it");
        }
        Files.createDirectories(folder);
        if (!resume) {
            prepare();
        }
        var tokens = TokenStore.open(folder.resolve(TOKENS));
        try (var model = Model.open(folder);
                var parameters = Parameters.of(model, _ -> true);
                var optimizer = optimizer(parameters)) {
            train(parameters, optimizer, tokens, resume);
            write(model, parameters);
        }
    }

    private AdamW optimizer(Parameters parameters) {
        return new AdamW(
                recipe.optimizer(), parameters.trained().stream().map(parameters::leaf).toList());
    }

    // ---- texts ----

    /// Reads the texts and writes all that the steps begin with.
    private void prepare() throws IOException {
        var documents = new ArrayList<TextSource.Documents>();
        for (TextSource source : recipe.data()) {
            listener.begin("reading " + source.file().getFileName());
            documents.add(source.read());
        }
        try (var tokenizer = tokenizer(documents)) {
            tokenizer.saveTo(folder);
            Initialization.write(folder, config(tokenizer), recipe.seed());
            tokenize(documents, tokenizer);
        }
    }

    private Tokenizer tokenizer(List<TextSource.Documents> documents) throws IOException {
        if (recipe.tokenizer().isPresent()) {
            return Tokenizer.fromHuggingFaceFolder(recipe.tokenizer().get());
        }
        listener.begin("making a vocabulary of %,d tokens".formatted(recipe.vocabulary()));
        var trainer = new BpeTrainer(recipe.vocabulary(), BEGIN, END);
        double[] passes = passes(documents);
        double least = Arrays.stream(passes).min().orElseThrow();
        for (int i = 0; i < passes.length; i++) {
            int weight = Math.toIntExact(Math.round(passes[i] / least));
            documents.get(i).training().forEach(document -> trainer.add(document, weight));
        }
        return trainer.train();
    }

    /// How often the characters of every source are seen, up to a factor: what they count for the
    /// vocabulary.
    private double[] passes(List<TextSource.Documents> documents) {
        double[] passes = new double[documents.size()];
        for (int i = 0; i < passes.length; i++) {
            long characters = documents.get(i).training().stream().mapToLong(String::length).sum();
            passes[i] = recipe.data().get(i).weight() / characters;
        }
        return passes;
    }

    private void tokenize(List<TextSource.Documents> documents, Tokenizer tokenizer)
            throws IOException {
        listener.begin("tokenising");
        int[][] training = new int[documents.size()][];
        int[][] heldOut = new int[documents.size()][];
        workers.forEach(
                training.length,
                (_, i) -> {
                    training[i] = Mixture.join(documents.get(i).training(), tokenizer);
                    heldOut[i] = Mixture.join(documents.get(i).heldOut(), tokenizer);
                });
        TokenStore.write(folder.resolve(TOKENS), List.of(training), List.of(heldOut));
    }

    /// The first windows, without overlap.
    private List<int[]> windows(int[] ids) {
        int count = Math.min(recipe.evaluateWindows(), ids.length / recipe.context());
        var windows = new ArrayList<int[]>();
        for (int i = 0; i < count; i++) {
            int from = i * recipe.context();
            windows.add(Arrays.copyOfRange(ids, from, from + recipe.context()));
        }
        return windows;
    }

    /// Of all that a run may not change when it is resumed.
    private String identity() {
        try {
            var digest = MessageDigest.getInstance("SHA-256");
            String text = recipe.identity() + compute;
            return HexFormat.of().formatHex(digest.digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private ObjectNode config(Tokenizer tokenizer) {
        ObjectNode config = recipe.model().deepCopy();
        config.put("vocab_size", tokenizer.vocabularySize());
        tokenizer.bos().ifPresent(id -> config.put("bos_token_id", id));
        tokenizer.eos().ifPresent(id -> config.put("eos_token_id", id));
        return config;
    }

    // ---- steps ----

    private void train(Parameters parameters, AdamW optimizer, TokenStore tokens, boolean resume)
            throws IOException {
        Path checkpoint = folder.resolve(CHECKPOINT);
        var mixture =
                new Mixture(
                        tokens.training(),
                        recipe.data().stream().map(TextSource::weight).toList(),
                        recipe.context(),
                        recipe.seed());
        long step = 0;
        double before = 0; // seconds of the run that is resumed
        if (resume) {
            var progress = TrainingState.read(checkpoint, parameters, optimizer);
            requireSame(progress);
            step = progress.step();
            before = progress.seconds();
            mixture.skip(progress.windows());
        }
        var log = new TrainingLog(folder.resolve(LOG), step);
        long steps = recipe.schedule().steps();
        var pass = new GradientPass(parameters, GradientPass.Activations.KEPT, compute, workers);
        var gradients = new Gradients(parameters.trained());
        long start = System.nanoTime();
        long lineStart = start;
        long saved = start;
        double loss = 0;
        int since = 0;
        try (gradients) {
            while (step < steps) {
                double rate = recipe.schedule().rate(step);
                loss += Arrays.stream(pass.run(batch(mixture), gradients)).average().orElseThrow();
                double norm = gradients.norm(workers) * recipe.together() / recipe.batch();
                double clip =
                        recipe.clip() == 0 || norm <= recipe.clip() ? 1 : recipe.clip() / norm;
                double scale = clip * recipe.together() / recipe.batch();
                step++;
                optimizer.step(gradients.sums(), scale, rate, step, workers);
                since++;
                if (step % LINE != 0 && step != steps) {
                    continue;
                }
                long now = System.nanoTime();
                double pace = (now - lineStart) / 1e9 / since;
                var line = new LinkedHashMap<String, Object>();
                line.put("step", step);
                line.put("tokens", step * recipe.tokensPerStep());
                line.put("loss", loss / since);
                line.put("rate", rate);
                line.put("gradient_norm", norm);
                line.put("tokens_per_second", Math.round(recipe.tokensPerStep() / pace));
                line.put("seconds", before + (now - start) / 1e9);
                log.add(line);
                listener.progress(
                        step,
                        steps,
                        loss / since,
                        recipe.tokensPerStep() / pace,
                        pace * (steps - step));
                loss = 0;
                since = 0;
                boolean measured =
                        recipe.evaluateEvery() > 0 && step % roundedUp(recipe.evaluateEvery()) == 0;
                if (measured || step == steps) {
                    log.add(measure(parameters, tokens, step));
                }
                if (step == steps || (now - saved) / 1e9 >= recipe.checkpointSeconds()) {
                    var progress =
                            new TrainingState.Progress(
                                    step,
                                    steps,
                                    mixture.position(),
                                    before + (System.nanoTime() - start) / 1e9,
                                    identity(),
                                    workers.count());
                    TrainingState.write(checkpoint, parameters, optimizer, progress);
                    saved = System.nanoTime();
                }
                lineStart = System.nanoTime();
            }
        }
    }

    private static int roundedUp(int steps) {
        return Math.ceilDiv(steps, LINE) * LINE;
    }

    private void requireSame(TrainingState.Progress progress) {
        if (!progress.identity().equals(identity())) {
            throw new IllegalArgumentException(
                    "%s was made by another recipe, or with another --compute".formatted(folder));
        }
        if (progress.workers() != workers.count()) {
            throw new IllegalArgumentException(
                    "the run to resume has %d workers: --threads %d"
                            .formatted(progress.workers(), progress.workers()));
        }
        long steps = recipe.schedule().steps();
        if (!recipe.schedule().endingAt(progress.steps()).mayEndAt(steps, progress.step())) {
            throw new IllegalArgumentException(
                    "the run cannot end at step %,d: it was to end at %,d, and after %,d steps its"
                                    .formatted(steps, progress.steps(), progress.step())
                            + " learning rate is not what it would have been");
        }
    }

    private List<int[][]> batch(Mixture mixture) {
        var samples = new ArrayList<int[][]>();
        for (int i = 0; i < recipe.batch(); i += recipe.together()) {
            int[][] sample = new int[recipe.together()][];
            Arrays.setAll(sample, _ -> mixture.next());
            samples.add(sample);
        }
        return samples;
    }

    /// Sums of gradients over the samples of a step, one for every weight.
    private static final class Gradients implements GradientPass.Receiver, AutoCloseable {
        private final Map<Entry, Integer> indices = new LinkedHashMap<>();
        private final List<Tensor> sums = new ArrayList<>();

        Gradients(List<Entry> weights) {
            for (Entry weight : weights) {
                indices.put(weight, indices.size());
                long[] shape =
                        weight.weight().shape().sizes().stream()
                                .mapToLong(Long::longValue)
                                .toArray();
                try (var scope = Scope.open()) {
                    sums.add(scope.keep(Tensor.zeros(shape)));
                }
            }
        }

        @Override
        public void take(Entry weight, int first, List<Tensor> gradients) {
            Tensor sum = sums.get(indices.get(weight));
            for (int i = 0; i < gradients.size(); i++) {
                if (first + i == 0) {
                    sum.copy_(gradients.get(i));
                } else {
                    sum.add_(gradients.get(i));
                }
            }
        }

        List<Tensor> sums() {
            return sums;
        }

        /// The Euclidean norm of all sums together.
        double norm(Workers workers) {
            double[] squares = new double[sums.size()];
            workers.forEach(
                    squares.length, (_, i) -> squares[i] = sums.get(i).square().sum().item());
            return Math.sqrt(Arrays.stream(squares).sum());
        }

        @Override
        public void close() {
            sums.forEach(Tensor::close);
        }
    }

    // ---- held-out documents ----

    private Map<String, Object> measure(Parameters parameters, TokenStore tokens, long step) {
        var sources = tokens.heldOut().stream().map(this::windows).toList();
        var windows = sources.stream().flatMap(List::stream).toList();
        double[] losses = new double[windows.size()];
        workers.forEach(losses.length, (_, i) -> losses[i] = loss(parameters, windows.get(i)));
        var line = new LinkedHashMap<String, Object>();
        var perSource = new LinkedHashMap<String, Object>();
        int from = 0;
        for (int i = 0; i < recipe.data().size(); i++) {
            int to = from + sources.get(i).size();
            if (to > from) {
                perSource.put(
                        recipe.data().get(i).file().getFileName().toString(),
                        Arrays.stream(losses, from, to).average().orElseThrow());
            }
            from = to;
        }
        line.put("step", step);
        if (losses.length > 0) {
            double mean = Arrays.stream(losses).average().orElseThrow();
            line.put("held_out_loss", mean);
            line.put("held_out_windows", losses.length);
            line.put("held_out_by_source", perSource);
            listener.heldOut(step, mean);
        }
        return line;
    }

    private double loss(Parameters parameters, int[] window) {
        var decoder = parameters.decoder();
        int[] next = Arrays.copyOfRange(window, 1, window.length + 1);
        next[next.length - 1] = Tensor.NO_ID;
        var rows = Rows.sequence(window.length);
        try (var _ = Engine.unrecorded();
                var _ = Scope.open()) {
            Tensor x = decoder.embed(window, rows);
            for (int block = 0; block < decoder.config().blocks(); block++) {
                x = decoder.block(block, Compute.FLOAT32).forward(x, rows, Tap.NONE);
            }
            return decoder.logits(x).crossEntropy(Tensor.ofIds(next)).item();
        }
    }

    // ---- the result ----

    private void write(Model model, Parameters parameters) throws IOException {
        Path part = Files.createTempDirectory(folder, "model-");
        model.tokenizer().orElseThrow().saveTo(part);
        ObjectNode config = model.checkpoint().configJson();
        config.put("torch_dtype", "bfloat16");
        Files.writeString(part.resolve("config.json"), config.toPrettyString() + "\n");
        List<Declaration> declarations =
                parameters.entries().stream()
                        .map(
                                entry ->
                                        new Declaration(
                                                entry.name(),
                                                DType.BF16,
                                                Initialization.fileShape(entry.weight())))
                        .toList();
        Path file = part.resolve(ShardedSafetensors.SINGLE_FILE_NAME);
        try (var writer = SafetensorsWriter.create(file, declarations, Map.of());
                var _ = Scope.open()) {
            for (Entry entry : parameters.entries()) {
                Tensor values = parameters.values(entry);
                Tensor stored =
                        Initialization.isTransposed(entry.weight())
                                ? values.transpose(0, 1).contiguous()
                                : values;
                writer.writeFloats(entry.name(), stored.segment());
            }
            writer.commit();
        }
        Files.copy(folder.resolve(LOG), part.resolve(LOG));
        Files.move(part, output, StandardCopyOption.ATOMIC_MOVE);
    }
}
