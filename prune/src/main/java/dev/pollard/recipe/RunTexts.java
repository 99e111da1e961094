package dev.pollard.recipe;

import dev.pollard.data.Calibration;
import dev.pollard.data.Domain;
import dev.pollard.data.Sampling;
import dev.pollard.data.Source;
import dev.pollard.data.TokenWindows;
import dev.pollard.model.Model;
import dev.pollard.prune.Driver;
import dev.pollard.prune.Inputs;
import dev.pollard.prune.Method;
import dev.pollard.prune.Sweep;
import dev.pollard.prune.Texts;
import dev.pollard.prune.Texts.Part;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;

/// The texts that a run learns from: calibration text and that of domains. Named and checked before
/// the work, read at its beginning.
final class RunTexts {
    private final Recipe recipe;
    private final Method method;
    private final List<Source> calibration;
    private final List<Domain> domains;
    private final int calibrationLength;
    private final int domainLength;

    /// @param context positions of the model
    /// @throws IllegalArgumentException if a text that the method needs is not named, or one that
    ///     it has no use for is
    /// @throws java.nio.file.NoSuchFileException if a file is missing
    RunTexts(Recipe recipe, Method method, int context) throws IOException {
        this.recipe = recipe;
        this.method = method;
        this.calibration = recipe.calibration().sources().stream().map(Source::parse).toList();
        this.domains = recipe.domains().sources().stream().map(Domain::parse).toList();
        this.calibrationLength =
                EvaluationRun.length("--calib-length", recipe.calibration().length(), context);
        this.domainLength =
                domains.isEmpty() || recipe.domains().length().isEmpty()
                        ? calibrationLength
                        : EvaluationRun.length(
                                "--domain-length", recipe.domains().length(), context);
        checkInputs();
        checkCalibration();
        checkDomains();
    }

    private void checkInputs() {
        var passes = method.passes();
        boolean once =
                passes.size() == 1
                        && passes.getFirst() instanceof Sweep sweep
                        && sweep.steps().size() == 1;
        if (recipe.pruning().inputs() == Inputs.BOTH && !once) {
            throw new IllegalArgumentException(
                    "--inputs both re-aims the weights before a method's one step; %s as set has several"
                            .formatted(recipe.pruning().method()));
        }
    }

    private void checkCalibration() throws IOException {
        if (calibration.isEmpty() && needsCalibration()) {
            boolean ofMethod =
                    !Driver.needs(method, recipe.pruning().inputs()).isEmpty()
                            || Driver.domainPass(method).isPresent();
            String who =
                    recipe.pruning().inputs() == Inputs.BOTH
                            ? "--inputs both"
                            : ofMethod
                                    ? recipe.pruning().method()
                                    : "--allocation " + recipe.pruning().allocation();
            throw new IllegalArgumentException(
                    "%s needs calibration text: give --calib FILE[:field]".formatted(who));
        }
        for (var source : calibration) {
            EvaluationRun.checkReadable(source);
        }
    }

    private boolean needsCalibration() {
        boolean gradients =
                Driver.domainPass(method).map(pass -> pass.orCalibration()).orElse(false);
        var sources = Driver.sources(method);
        return sources.contains(Part.CALIBRATION)
                || sources.contains(Part.BOTH)
                || recipe.pruning().inputs() == Inputs.BOTH
                || !recipe.pruning().allocation().needs().isEmpty()
                || gradients && domains.isEmpty();
    }

    /// Whether it is of use to name domains, and whether the method cannot do without.
    private boolean takesDomains() {
        return Driver.domainPass(method).isPresent() || readsDomains();
    }

    private boolean needsDomains() {
        return Driver.domainPass(method).map(pass -> !pass.orCalibration()).orElse(false)
                || readsDomains();
    }

    private boolean readsDomains() {
        var sources = Driver.sources(method);
        return sources.contains(Part.DOMAINS) || sources.contains(Part.BOTH);
    }

    private void checkDomains() throws IOException {
        String name = recipe.pruning().method();
        if (domains.isEmpty() && needsDomains()) {
            throw new IllegalArgumentException(
                    "%s needs text of its domain: give --domain NAME=FILE[:field]".formatted(name));
        }
        if (domains.isEmpty() && recipe.domains().length().isPresent()) {
            throw new IllegalArgumentException(
                    "--domain-length %d without --domain: nothing is of that length"
                            .formatted(recipe.domains().length().getAsInt()));
        }
        if (!domains.isEmpty() && !takesDomains()) {
            throw new IllegalArgumentException(
                    "%s as set has no use for --domain: give the text to --calib".formatted(name));
        }
        var names = new HashSet<String>();
        for (var domain : domains) {
            if (!names.add(domain.name())) {
                throw new IllegalArgumentException(
                        "two domains are called %s".formatted(domain.name()));
            }
            EvaluationRun.checkReadable(domain.source());
        }
        if (Driver.sources(method).contains(Part.BOTH) && domainLength != calibrationLength) {
            throw new IllegalArgumentException(
                    "--domain-length %d is not --calib-length %d, and the adjustment sees both texts: make them equal (or, of dpruner, set fit=domains or fit=calibration)"
                            .formatted(domainLength, calibrationLength));
        }
    }

    /// Tokens of a calibration sequence, the default resolved.
    int calibrationLength() {
        return calibrationLength;
    }

    /// Tokens of a sequence that gradients are taken of, the default resolved: of a domain, or of
    /// calibration text if there is none.
    int domainLength() {
        return domainLength;
    }

    /// Sequences of which gradients are taken.
    int gradientSamples() {
        return Driver.domainPass(method).isEmpty()
                ? 0
                : domains.isEmpty()
                        ? recipe.calibration().samples()
                        : domains.size() * recipe.domains().samples();
    }

    /// Tokens of a part of the texts.
    long tokens(Part part) {
        long general = (long) recipe.calibration().samples() * calibrationLength;
        long own = (long) domains.size() * recipe.domains().samples() * domainLength;
        return switch (part) {
            case CALIBRATION -> general;
            case DOMAINS -> own;
            case BOTH -> general + own;
        };
    }

    /// Tokens of the largest part that goes through the model to gather statistics.
    long tokens() {
        return Driver.sources(method).stream()
                .mapToLong(this::tokens)
                .max()
                .orElse(tokens(Part.CALIBRATION));
    }

    /// How many domains are told apart.
    int domains() {
        return Math.max(1, domains.size());
    }

    List<Path> files() {
        var files = new ArrayList<Path>();
        calibration.forEach(source -> files.add(source.file()));
        domains.forEach(domain -> files.add(domain.source().file()));
        return files;
    }

    /// What was read.
    ///
    /// @param calibration empty if nothing needs it
    record Read(Optional<TokenWindows> calibration, SequencedMap<Domain, TokenWindows> domains) {
        Texts texts() {
            var named = new ArrayList<Texts.Domain>();
            domains.forEach(
                    (domain, windows) ->
                            named.add(new Texts.Domain(domain.name(), domain.weight(), windows)));
            int[][] ids = calibration.map(TokenWindows::all).orElseGet(() -> new int[0][]);
            return new Texts(ids, named);
        }

        /// The windows of a part, in the order in which a sweep sees them; empty if there are none.
        Optional<TokenWindows> of(Part part) {
            var windows = new ArrayList<TokenWindows>();
            if (part != Part.DOMAINS) {
                calibration.ifPresent(windows::add);
            }
            if (part != Part.CALIBRATION) {
                windows.addAll(domains.values());
            }
            return windows.stream().reduce(TokenWindows::and);
        }

        /// The first sequence there is.
        Optional<int[]> first() {
            return calibration
                    .or(() -> domains.values().stream().findFirst())
                    .map(windows -> windows.get(0));
        }

        /// What decides the result of a run, by name.
        SequencedMap<String, String> identity() {
            var identity = new LinkedHashMap<String, String>();
            identity.put("calibration", calibration.map(TokenWindows::sha256).orElse(""));
            identity.putAll(domainIdentity());
            return identity;
        }

        /// What decides the gradients of a run, by name: the domains, or without them the
        /// calibration text.
        SequencedMap<String, String> gradientIdentity() {
            var identity = new LinkedHashMap<String, String>(domainIdentity());
            if (identity.isEmpty()) {
                calibration.ifPresent(windows -> identity.put("calibration", windows(windows)));
            }
            return identity;
        }

        /// The hash is of the ids alone.
        private static String windows(TokenWindows windows) {
            return "%s in windows of %d".formatted(windows.sha256(), windows.length());
        }

        private Map<String, String> domainIdentity() {
            var identity = new LinkedHashMap<String, String>();
            domains.forEach(
                    (domain, windows) ->
                            identity.put(
                                    "domain " + domain.name(),
                                    "%s of weight %s"
                                            .formatted(windows(windows), domain.weight())));
            return identity;
        }

        /// What the sources had to say.
        List<String> notes() {
            var notes = new ArrayList<String>();
            var all = new ArrayList<TokenWindows>();
            calibration.ifPresent(all::add);
            all.addAll(domains.values());
            for (var windows : all) {
                for (var origin : windows.origins()) {
                    origin.notes().forEach(note -> notes.add(origin.source() + ": " + note));
                }
            }
            return notes;
        }

        RunRecord.CalibrationFacts facts(Recipe.Calibration asked) {
            return calibration
                    .map(
                            windows ->
                                    new RunRecord.CalibrationFacts(
                                            asked.sources(),
                                            asked.random() ? "random" : "consecutive",
                                            windows.count(),
                                            windows.length(),
                                            windows.tokens(),
                                            windows.sha256()))
                    .orElseGet(
                            () -> new RunRecord.CalibrationFacts(List.of(), "none", 0, 0, 0, ""));
        }

        List<RunRecord.DomainFacts> domainFacts() {
            return domains.entrySet().stream()
                    .map(
                            read ->
                                    new RunRecord.DomainFacts(
                                            read.getKey().name(),
                                            read.getKey().source().toString(),
                                            read.getKey().weight(),
                                            read.getValue().count(),
                                            read.getValue().length(),
                                            read.getValue().sha256()))
                    .toList();
        }
    }

    Read read(Model model, RunListener listener) throws IOException {
        SequencedMap<Domain, TokenWindows> windows = new LinkedHashMap<>();
        Optional<TokenWindows> calibrated = Optional.empty();
        if (!calibration.isEmpty() && needsCalibration()) {
            listener.step("reading calibration text");
            var asked = recipe.calibration();
            calibrated =
                    Optional.of(
                            new Calibration(
                                            calibration,
                                            asked.samples(),
                                            calibrationLength,
                                            asked.random() ? Sampling.RANDOM : Sampling.CONSECUTIVE,
                                            recipe.pruning().seed())
                                    .read(model.tokenizer(), model.config().vocabularySize()));
        }
        if (!domains.isEmpty()) {
            listener.step("reading text of " + (domains.size() == 1 ? "the domain" : "domains"));
            windows =
                    Domain.sample(
                            domains,
                            recipe.domains().samples(),
                            domainLength,
                            recipe.pruning().seed(),
                            model.tokenizer(),
                            model.config().vocabularySize());
        }
        return new Read(calibrated, windows);
    }
}
