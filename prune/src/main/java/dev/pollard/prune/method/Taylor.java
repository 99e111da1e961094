package dev.pollard.prune.method;

import dev.pollard.prune.DomainPass;
import dev.pollard.prune.DomainPass.Penalty;
import dev.pollard.prune.Method;
import dev.pollard.prune.Pass;
import dev.pollard.prune.Sweep;
import java.util.List;
import java.util.Optional;

/// Removes the weights whose removal changes the loss least, by the terms of its Taylor series: the
/// element scores of LLM-Pruner (Xinyin Ma, Gongfan Fang, Xinchao Wang, "LLM-Pruner: On the
/// Structural Pruning of Large Language Models", arXiv 2305.11627, eq. 4 and 5), of single weights
/// where the authors add them up over coupled structures. The loss is that on the text of the
/// domains, or on the calibration text.
///
/// @param score which terms, compared in which group
public record Taylor(DualScore score) implements Method {
    static final Setting.Choice ORDER =
            new Setting.Choice(
                    "order",
                    "second",
                    List.of("first", "second", "both"),
                    "terms: |g W|, ½ F W² (measured best), or |½ F W² - g W|; F is the mean square of"
                            + " the samples' gradients");
    static final List<Setting> SETTINGS = List.of(ORDER, DPruner.GROUP);

    static Taylor of(Settings settings) {
        return new Taylor(
                new DualScore(
                        settings.get(ORDER, DualScore.Terms.class),
                        false,
                        Penalty.none(),
                        0,
                        DPruner.group(settings)));
    }

    @Override
    public List<Pass> passes() {
        return List.of(new DomainPass(Optional.empty(), true), new Sweep(score));
    }
}
