package dev.pollard.prune;

import dev.pollard.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What a pass found out about the weights of one layer, for the passes after it. Every tensor is
/// `[out, in]` float32.
///
/// @param byName the tensors, by the name under which they are stored
public record Findings(Map<String, Tensor> byName) {
    public static final Findings NONE = new Findings(Map.of());

    private static final String IMPORTANCE = "importance";
    private static final String TUNED = "tuned";
    private static final String GRADIENT = "gradient:";
    private static final String FISHER = "fisher:";
    private static final String WEIGHT = "weight:";

    public Findings {
        byName = Map.copyOf(byName);
    }

    /// Of a pass that weighs every weight by itself.
    public static Findings ofImportance(Tensor importance) {
        return new Findings(Map.of(IMPORTANCE, importance));
    }

    /// The derivatives of a domain's loss.
    ///
    /// @param weight how much the domain counts
    /// @param gradient mean of the gradients of its samples
    /// @param fisher mean of their squares
    public record Domain(String name, double weight, Tensor gradient, Tensor fisher) {}

    /// @param tuned the weights at which derivatives were taken, if they are not the model's
    static Findings of(List<Domain> domains, Optional<Tensor> tuned) {
        var byName = new LinkedHashMap<String, Tensor>();
        tuned.ifPresent(weights -> byName.put(TUNED, weights));
        for (var domain : domains) {
            byName.put(GRADIENT + domain.name, domain.gradient);
            byName.put(FISHER + domain.name, domain.fisher);
            byName.put(WEIGHT + domain.name, Tensor.full(domain.weight, 1));
        }
        return new Findings(byName);
    }

    /// These and `later`, which win.
    Findings with(Findings later) {
        var both = new LinkedHashMap<>(byName);
        both.putAll(later.byName);
        return new Findings(both);
    }

    /// How much each weight matters to the model in general, not negative.
    public Optional<Tensor> importance() {
        return Optional.ofNullable(byName.get(IMPORTANCE));
    }

    /// The weights at which derivatives were taken, if they are not the model's.
    public Optional<Tensor> tuned() {
        return Optional.ofNullable(byName.get(TUNED));
    }

    /// What is known of each domain, by name.
    public List<Domain> domains() {
        var domains = new ArrayList<Domain>();
        byName.keySet().stream()
                .filter(name -> name.startsWith(GRADIENT))
                .map(name -> name.substring(GRADIENT.length()))
                .sorted()
                .forEach(
                        name ->
                                domains.add(
                                        new Domain(
                                                name,
                                                byName.get(WEIGHT + name).item(),
                                                byName.get(GRADIENT + name),
                                                byName.get(FISHER + name))));
        return domains;
    }
}
