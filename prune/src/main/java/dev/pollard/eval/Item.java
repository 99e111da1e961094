package dev.pollard.eval;

import java.util.List;

/// One question of a task.
public sealed interface Item {
    /// Its place in the data, from 0.
    int index();

    /// What the log-likelihood of an answer is divided by before answers are compared.
    enum Per {
        /// Nothing: the probability of the whole answer counts.
        ANSWER,
        /// Its characters (Unicode code points), the blank before it not counted.
        CHARACTER,
        /// Its tokens: the mean log-probability of a token counts.
        TOKEN
    }

    /// A question with several answers, of which one is right.
    ///
    /// @param requests one per answer
    /// @param gold index of the right one
    record Choice(int index, List<Request.LogLikelihood> requests, int gold) implements Item {
        public Choice {
            requests = List.copyOf(requests);
        }

        /// Index of the answer with the highest log-likelihood; the first of several.
        int best(List<Scored> answers, Per per) {
            int best = 0;
            for (int i = 1; i < answers.size(); i++) {
                if (value(answers, i, per) > value(answers, best, per)) {
                    best = i;
                }
            }
            return best;
        }

        private double value(List<Scored> answers, int i, Per per) {
            double sum = answers.get(i).logLikelihood();
            String text = requests.get(i).continuation();
            return switch (per) {
                case ANSWER -> sum;
                case CHARACTER -> sum / (text.codePointCount(0, text.length()) - 1);
                case TOKEN -> sum / answers.get(i).tokens();
            };
        }
    }

    /// A text whose end is to be guessed.
    record LastWord(int index, Request.LogLikelihood request) implements Item {}

    /// A text that is scored as a whole.
    ///
    /// @param words between white space, of the text as it was before it was prepared
    /// @param bytes the same in UTF-8
    record Page(int index, Request.Rolling request, int words, int bytes) implements Item {}

    /// A text to be written, held against one that is right.
    ///
    /// @param stemmed whether words are compared by their stems
    record Summary(int index, Request.Generate request, String reference, boolean stemmed)
            implements Item {
        /// `text` held against the reference.
        Rouge rouge(String text) {
            return Rouge.of(reference, text, stemmed);
        }
    }
}
