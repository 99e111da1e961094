package dev.pollard.eval;

import dev.pollard.config.ModelConfig;
import dev.pollard.model.Block;
import dev.pollard.model.Compute;
import dev.pollard.model.Decoder;
import dev.pollard.model.Linear;
import dev.pollard.model.Rows;
import dev.pollard.model.Tap;
import dev.pollard.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;

/// A decoder small enough to be written twice: `x ← x + tanh(mean of x so far)` in every block,
/// and the embedding table as the head. [#naiveLoss] is the same in double loops.
final class ToyDecoder implements Decoder {
    final AtomicInteger blocksLoaded = new AtomicInteger();
    private final ModelConfig config;
    private final float[] table; // [vocabulary, hidden]

    ToyDecoder(Path folder, int vocabulary, int hidden, int blocks, long seed) throws IOException {
        String json =
                """
                {"model_type": "gpt2", "vocab_size": %d, "n_embd": %d, "n_layer": %d, "n_head": 1,
                 "n_positions": 4096, "layer_norm_epsilon": 1e-5,
                 "activation_function": "gelu_new"}
                """
                        .formatted(vocabulary, hidden, blocks);
        this.config = ModelConfig.read(Files.writeString(folder.resolve("config.json"), json));
        var random = new Random(seed);
        table = new float[vocabulary * hidden];
        for (int i = 0; i < table.length; i++) {
            table[i] = (float) random.nextGaussian();
        }
    }

    /// Makes the rows of one token NaN.
    void poison(int token) {
        table[token * config.hiddenSize()] = Float.NaN;
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public Tensor embed(int[] ids, Rows rows) {
        return table().rows(Tensor.ofIds(ids));
    }

    @Override
    public Block block(int index, Compute compute) {
        blocksLoaded.incrementAndGet();
        return new Block() {
            @Override
            public Tensor forward(Tensor x, Rows rows, Tap tap) {
                int time = (int) x.size(0);
                float[] mean = new float[time * time];
                for (int t = 0; t < time; t++) {
                    for (int s = 0; s <= t; s++) {
                        mean[t * time + s] = 1f / (t + 1);
                    }
                }
                return x.add(Tensor.of(mean, time, time).matmul(x).tanh());
            }

            @Override
            public List<Linear> linears() {
                return List.of();
            }
        };
    }

    @Override
    public Tensor logits(Tensor x) {
        return x.linear(table());
    }

    private Tensor table() {
        return Tensor.of(table, config.vocabularySize(), config.hiddenSize());
    }

    /// Mean negative log-likelihood of a window, in nats per token.
    double naiveLoss(int[] ids) {
        int hidden = config.hiddenSize();
        double[][] x = new double[ids.length][hidden];
        for (int t = 0; t < ids.length; t++) {
            for (int h = 0; h < hidden; h++) {
                x[t][h] = table[ids[t] * hidden + h];
            }
        }
        for (int b = 0; b < config.blocks(); b++) {
            double[] sum = new double[hidden];
            for (int t = 0; t < ids.length; t++) {
                for (int h = 0; h < hidden; h++) {
                    sum[h] += x[t][h];
                    x[t][h] += Math.tanh(sum[h] / (t + 1));
                }
            }
        }
        double loss = 0;
        for (int t = 0; t < ids.length - 1; t++) {
            double total = 0;
            for (int v = 0; v < config.vocabularySize(); v++) {
                total += Math.exp(logit(x[t], v));
            }
            loss += Math.log(total) - logit(x[t], ids[t + 1]);
        }
        return loss / (ids.length - 1);
    }

    private double logit(double[] x, int token) {
        double dot = 0;
        for (int h = 0; h < x.length; h++) {
            dot += x[h] * table[token * x.length + h];
        }
        return dot;
    }
}
