package dev.pollard.recipe;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Map;

/// What a recovery did, in numbers: `pollard/finetune.json`.
///
/// Keys in the file are these names in snake case.
///
/// @param pollard version of Pollard
/// @param command as typed
/// @param created ISO-8601
/// @param model that was trained
/// @param method `lora` or `full`
/// @param settings all that decides the result, defaults included
/// @param data what it was trained on
/// @param loss of the windows held out, before and after
/// @param sparsity of the trained layers, before and after
/// @param evaluations of what was asked for
/// @param peakRssBytes null where the system does not tell
@JsonInclude(JsonInclude.Include.ALWAYS)
public record RecoveryRecord(
        int schema,
        String pollard,
        String command,
        String created,
        RunRecord.ModelFacts model,
        String method,
        Map<String, Object> settings,
        DataFacts data,
        LossFacts loss,
        ZeroFacts sparsity,
        List<MeasuredFacts> evaluations,
        Seconds seconds,
        Long peakRssBytes,
        RunRecord.EnvironmentFacts environment,
        List<String> warnings) {

    /// @param windows that were trained on
    /// @param heldOut windows that were not
    /// @param length tokens of a window
    /// @param trainedTokens tokens that went through the model, repetitions counted
    /// @param sha256 of the token ids of all windows as int32 little-endian
    public record DataFacts(
            List<String> source,
            int windows,
            int heldOut,
            int length,
            long trainedTokens,
            String sha256) {}

    /// Mean negative log-likelihood of a token of the windows held out, in nats: of the model that
    /// was opened and of the one that was written.
    public record LossFacts(double heldOutBefore, double heldOutAfter) {}

    /// @param layers that were trained
    /// @param weights in them
    /// @param trained numbers that the optimiser moved
    /// @param before fraction of zeros
    /// @param after fraction of zeros in what was written
    public record ZeroFacts(int layers, long weights, long trained, double before, double after) {}

    /// @param differenceError standard error of `after - before`, paired; null if unknown
    /// @param pValue of the difference; null if unknown
    public record MeasuredFacts(
            String task,
            String metric,
            boolean higherIsBetter,
            double before,
            double after,
            Double differenceError,
            Double pValue) {}

    /// @param train all steps, those before an interruption included
    public record Seconds(double total, double train, double evaluate) {}

    /// The text of `finetune.json`.
    public String toJson() {
        return RunRecord.json(this);
    }
}
