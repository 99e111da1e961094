package dev.pollard.prune;

import java.util.List;
import java.util.Optional;

/// A pruning method: a list of passes. A record whose components are its hyper-parameters.
@FunctionalInterface
public interface Method {
    List<Pass> passes();

    /// The passes of which one holds the result: the model with the least loss on the sequences
    /// held out, the earliest of equals. In order; most methods leave no choice but the
    /// last pass.
    default List<Integer> candidates() {
        return List.of(passes().size() - 1);
    }

    /// What this method must beat to be worth its name.
    ///
    /// @param name two or three words
    /// @param summary a line for people
    record Control(String name, String summary, Method method) {}

    /// The simpler method that this one is measured against in every report; most have none.
    default Optional<Control> control() {
        return Optional.empty();
    }
}
