package dev.pollard.recover;

import dev.pollard.tensor.Tensor;
import dev.pollard.tensor.Workers;
import dev.pollard.train.GradientPass;
import java.util.List;
import java.util.SequencedMap;

/// What a recovery changes of a model, and how that comes into the matrices the model computes
/// with.
///
/// A step is [#prepare], forward and backward with this as the receiver of the gradients, and a
/// step of the optimiser on [#weights] by [#gradients]. After the last one [#settle] leaves in the
/// model what was trained.
///
/// With a mask an entry that was 0 when the recovery began is +0 in every forward pass, and in the
/// end.
public sealed interface Trainable extends GradientPass.Receiver, AutoCloseable
        permits FullMatrices, LowRankAdapters {
    /// What the optimiser changes in place, by name: float32.
    SequencedMap<String, Tensor> weights();

    /// Sums over the samples since [#prepare], in the order of [#weights].
    List<Tensor> gradients();

    /// Forgets the gradients, and puts into the model what the step is to see.
    ///
    /// @param step 0-based; what is drawn for it depends on nothing else
    void prepare(long step, Workers workers);

    /// Puts into the model what was trained so far.
    void settle(Workers workers);

    @Override
    void close();
}
