package dev.pollard.prune;

import java.util.List;

/// A pruning method: a list of passes. A record whose components are its hyper-parameters.
@FunctionalInterface
public interface Method {
    List<Pass> passes();
}
