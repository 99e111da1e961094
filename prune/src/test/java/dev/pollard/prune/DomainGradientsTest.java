package dev.pollard.prune;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.pollard.prune.DomainPass.Penalty;
import dev.pollard.prune.DomainPass.Tuning;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DomainGradientsTest {
    @ParameterizedTest
    @CsvSource({
        "1, 0, 2", // the only step
        "20, 0, 1", // half way up
        "20, 1, 2",
        "20, 2, 2",
        "20, 11, 1",
        "20, 19, 0.1111111111111111",
        "4, 0, 2",
        "4, 3, 0.6666666666666666",
    })
    void theRateRisesInTheFirstTenthAndFallsInTheRest(int steps, int step, double rate) {
        var none = new Penalty(Penalty.Form.NONE, 0, 0, false);
        assertEquals(rate, DomainGradients.rate(new Tuning(steps, 8, 2, 1, none), step), 1e-12);
    }
}
