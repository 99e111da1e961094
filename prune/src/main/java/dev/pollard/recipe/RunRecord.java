package dev.pollard.recipe;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.pollard.model.Model;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// What a run did, in numbers: the one source of `report.json`, the terminal's table, the HTML page
/// and the model card.
///
/// Keys in the file are these names in snake case. Schema 1; later versions add keys and rename
/// none.
///
/// @param pollard version of Pollard
/// @param command as typed
/// @param created ISO-8601
/// @param layers one entry per pruned layer
/// @param sparsity fraction of zeros in the layers that were pruned, all taken together
/// @param samples text that both models wrote from the same prompts
/// @param control what the method is to be held against, run beside it; null if it has none
@JsonInclude(JsonInclude.Include.ALWAYS)
public record RunRecord(
        int schema,
        String pollard,
        String command,
        String created,
        ModelFacts model,
        MethodFacts method,
        String pattern,
        long seed,
        CalibrationFacts calibration,
        List<DomainFacts> domains,
        List<LayerFacts> layers,
        double sparsity,
        List<EvaluationFacts> evaluations,
        List<SampleFacts> samples,
        ControlFacts control,
        Size size,
        Seconds seconds,
        Long peakRssBytes,
        EnvironmentFacts environment,
        List<String> warnings) {

    /// @param prunable weights in linear layers inside decoder blocks
    /// @param bytes of the tensor files
    /// @param sha256 of the tensor files, in order
    public record ModelFacts(
            String path,
            String architecture,
            String storage,
            long parameters,
            long prunable,
            long bytes,
            String sha256) {
        /// @param path as the user wrote it
        /// @param sha256 of its weights
        static ModelFacts of(Path path, Model model, String sha256) {
            var checkpoint = model.checkpoint();
            return new ModelFacts(
                    path.toString(),
                    model.config().architecture(),
                    checkpoint.storage(),
                    checkpoint.parameters(),
                    checkpoint.prunableParameters(),
                    checkpoint.bytes(),
                    sha256);
        }
    }

    /// @param settings all of them, defaults included
    /// @param inputs whose activations the layers saw
    /// @param compute dtype of the products in the forward passes
    /// @param allocation how the sparsity was shared out among the layers: `owl, lambda 0.08, m 5`
    public record MethodFacts(
            String name,
            Map<String, String> settings,
            String inputs,
            String compute,
            String allocation) {}

    /// @param sha256 of the token ids as int32 little-endian; empty if there was no calibration
    public record CalibrationFacts(
            List<String> source,
            String sampling,
            int sequences,
            int length,
            long tokens,
            String sha256) {}

    /// What became of a layer, after the method's last step; seconds are those of all its steps.
    ///
    /// @param relativeError squared output error over squared output norm, against the dense layer
    /// @param error how it was measured: `output`, `diagonal` or `weights`
    /// @param steps the method's steps on this layer, in order; one for a method of one step
    /// @param histogram of the weights, before and after every step; null if none was taken
    public record LayerFacts(
            String name,
            long rows,
            long columns,
            double sparsity,
            double relativeError,
            String error,
            double seconds,
            List<String> notes,
            List<StepFacts> steps,
            Histogram histogram) {}

    /// @param step its number and what the method calls it: `2 dense again`
    /// @param relativeError as for the layer
    /// @param heldOutError the same on calibration tokens that the step did not see; null if there
    ///     were none
    /// @param maskMoved weights that the mask of this step keeps and that of the first sparse step
    ///     did not; null if it is the first
    public record StepFacts(
            String step,
            double relativeError,
            Double heldOutError,
            double sparsity,
            double seconds,
            Long maskMoved) {}

    /// How often weights of a layer have which value. The bins are equally wide and cover
    /// `[-bound, bound]`; what lies beyond is counted in the first or last. Exact zeros are not
    /// counted: the sparsity says how many there are.
    ///
    /// @param counts by step as [StepFacts] names it, `dense` first: one number per bin
    public record Histogram(double bound, Map<String, long[]> counts) {}

    /// One metric of one task, dense against pruned.
    ///
    /// @param higherIsBetter whether more is better: accuracy is so, perplexity is not
    /// @param control the same of the control; null if there is none
    /// @param denseStderr of the dense value; null if unknown
    /// @param stderr of the pruned value; null if unknown
    /// @param differenceStderr of pruned - dense on the same items, paired; null if unknown
    /// @param pValue that such a difference comes of chance alone (McNemar's test, for accuracies);
    ///     null if unknown
    /// @param items questions asked; null for a text
    /// @param shots solved examples in front of every question; null for a text
    /// @param version of the task's definition; null for a text
    /// @param tokens in the text; 0 for questions
    /// @param windows evaluated, of `windowsAvailable`; 0 for questions
    /// @param bos whether a BOS token was put in front, and by whom
    /// @param sha256 of the token ids or the questions
    public record EvaluationFacts(
            String task,
            String metric,
            boolean higherIsBetter,
            double dense,
            double pruned,
            Double control,
            Double denseStderr,
            Double stderr,
            Double differenceStderr,
            Double pValue,
            Integer items,
            Integer shots,
            Integer version,
            long tokens,
            int windows,
            long windowsAvailable,
            int length,
            String bos,
            String sha256,
            boolean denseFromCache) {}

    /// What both models write after the same prompt, greedily.
    public record SampleFacts(String prompt, String dense, String pruned) {}

    /// Text of a domain that gradients were taken on.
    ///
    /// @param source as the user wrote it
    /// @param weight how much it counts beside the others
    /// @param length tokens of a sequence
    /// @param sha256 of the token ids as int32 little-endian
    public record DomainFacts(
            String name, String source, double weight, int sequences, int length, String sha256) {}

    /// A simpler method that was run beside the one asked for, with the same calibration: what the
    /// method is worth is the difference to it.
    ///
    /// @param summary what it is, in words
    /// @param relativeError mean over the layers
    /// @param layers relative error by layer
    public record ControlFacts(
            String name,
            String summary,
            double relativeError,
            Map<String, Double> layers,
            double seconds) {}

    /// What the run ran on.
    ///
    /// @param libtorch its version
    /// @param processor as the system names it
    public record EnvironmentFacts(
            String java, String libtorch, String os, String processor, int threads) {}

    /// @param denseBytes of the output's tensor files
    /// @param bitmaskBytes what they would take with one bit per weight and the non-zeros alone
    public record Size(long denseBytes, long bitmaskBytes) {}

    public record Seconds(
            double total,
            double load,
            double capture,
            double gradients,
            double prune,
            double propagate,
            double commit,
            double save,
            double verify,
            double evaluate) {}

    private static final ObjectMapper JSON =
            JsonMapper.builder()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .enable(SerializationFeature.INDENT_OUTPUT)
                    .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                    .build();

    /// The text of `report.json`.
    public String toJson() {
        return json(this);
    }

    /// A record as the files beside a model have it: keys in snake case.
    static String json(Record plain) {
        try {
            return JSON.writeValueAsString(plain) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a record of plain values", e);
        }
    }

    /// Reads a `report.json` of this or a later version.
    public static RunRecord read(Path file) throws IOException {
        return JSON.readValue(file.toFile(), RunRecord.class);
    }
}
