package dev.pollard.prune;

/// One way through the whole model.
public sealed interface Pass permits Sweep, DomainPass {}
