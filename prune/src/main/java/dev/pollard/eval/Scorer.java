package dev.pollard.eval;

import java.util.List;

/// Answers requests. The answers stand in the order of the requests, whatever the order in which
/// they are worked on.
public interface Scorer {

    /// One answer to each of `requests`.
    List<Scored> logLikelihoods(List<Request.LogLikelihood> requests, Perplexity.Progress progress);

    /// One answer to each of `texts`. None is called greedy.
    List<Scored> rolling(List<Request.Rolling> texts, Perplexity.Progress progress);

    /// What is written after the context of each of `requests`, without the context.
    List<String> generate(
            List<Request.Generate> requests, Decoding decoding, Perplexity.Progress progress);
}
