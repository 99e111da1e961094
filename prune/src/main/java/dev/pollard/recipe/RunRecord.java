package dev.pollard.recipe;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
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
/// @param sparsity fraction of zeros in the layers that were pruned, all taken together
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
        List<LayerFacts> layers,
        double sparsity,
        List<EvaluationFacts> evaluations,
        Size size,
        Seconds seconds,
        Long peakRssBytes,
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
            String sha256) {}

    /// @param settings all of them, defaults included
    /// @param inputs whose activations the layers saw
    /// @param compute dtype of the products in the forward passes
    public record MethodFacts(
            String name, Map<String, String> settings, String inputs, String compute) {}

    /// @param sha256 of the token ids as int32 little-endian; empty if there was no calibration
    public record CalibrationFacts(
            List<String> source,
            String sampling,
            int sequences,
            int length,
            long tokens,
            String sha256) {}

    /// @param relativeError squared output error over squared output norm, against the dense layer
    /// @param error how it was measured: `output`, `diagonal` or `weights`
    public record LayerFacts(
            String name,
            long rows,
            long columns,
            double sparsity,
            double relativeError,
            String error,
            double seconds,
            List<String> notes) {}

    /// @param stderr of the pruned value
    /// @param tokens in the text
    /// @param windows evaluated, of `windowsAvailable`
    /// @param bos whether a BOS token was put in front, and by whom
    public record EvaluationFacts(
            String task,
            String metric,
            double dense,
            double pruned,
            Double stderr,
            long tokens,
            int windows,
            long windowsAvailable,
            int length,
            String bos,
            String sha256,
            boolean denseFromCache) {}

    /// @param denseBytes of the output's tensor files
    /// @param bitmaskBytes what they would take with one bit per weight and the non-zeros alone
    public record Size(long denseBytes, long bitmaskBytes) {}

    public record Seconds(
            double total,
            double load,
            double capture,
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
        try {
            return JSON.writeValueAsString(this) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a record of plain values", e);
        }
    }

    /// Reads a `report.json` of this or a later version.
    public static RunRecord read(Path file) throws IOException {
        return JSON.readValue(file.toFile(), RunRecord.class);
    }
}
