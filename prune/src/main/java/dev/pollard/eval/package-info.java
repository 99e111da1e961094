/// What a model is worth: perplexity as the papers measure it, and tasks as lm-evaluation-harness
/// asks them. A [dev.pollard.eval.Task] is data; its [dev.pollard.eval.Questions] are asked of a
/// [dev.pollard.eval.Scorer]; two models' [dev.pollard.eval.Measure]s make a
/// [dev.pollard.eval.Comparison].
package dev.pollard.eval;
