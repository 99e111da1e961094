package dev.pollard.eval;

import java.util.List;

/// One question of a task.
public sealed interface Item {
    /// Its place in the data, from 0.
    int index();

    /// A question with several answers, of which one is right.
    ///
    /// @param requests one per answer
    /// @param gold index of the right one
    record Choice(int index, List<Request.LogLikelihood> requests, int gold) implements Item {
        public Choice {
            requests = List.copyOf(requests);
        }

        /// Index of the answer with the highest log-likelihood; the first of several.
        ///
        /// @param byLength whether log-likelihoods are divided by the characters of the answer, the
        ///     blank before it not counted
        int best(List<Scored> answers, boolean byLength) {
            int best = 0;
            for (int i = 1; i < answers.size(); i++) {
                if (value(answers, i, byLength) > value(answers, best, byLength)) {
                    best = i;
                }
            }
            return best;
        }

        private double value(List<Scored> answers, int i, boolean byLength) {
            double sum = answers.get(i).logLikelihood();
            String text = requests.get(i).continuation();
            return byLength ? sum / (text.codePointCount(0, text.length()) - 1) : sum;
        }
    }

    /// A text whose end is to be guessed.
    record LastWord(int index, Request.LogLikelihood request) implements Item {}

    /// A text that is scored as a whole.
    ///
    /// @param words between white space, of the text as it was before it was prepared
    /// @param bytes the same in UTF-8
    record Page(int index, Request.Rolling request, int words, int bytes) implements Item {}
}
