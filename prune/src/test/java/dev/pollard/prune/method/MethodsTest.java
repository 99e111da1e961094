package dev.pollard.prune.method;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.stats.Statistic;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MethodsTest {
    @Test
    void everyMethodCanBeMadeFromItsDefaultsAlone() {
        for (var entry : Methods.all()) {
            assertFalse(Methods.create(entry.key(), Map.of()).passes().isEmpty());
            assertTrue(entry.paper().arxiv().matches("\\d{4}\\.\\d{5}"));
            for (var setting : entry.settings()) {
                assertEquals(setting.byDefault(), setting.parse(setting.byDefault().toString()));
            }
        }
    }

    @Test
    void settingsReachTheMethodAndTheReport() {
        var given = Map.of("damping", "0.1", "block", "64");
        assertEquals(new SparseGpt(0.1, 64), Methods.create("sparsegpt", given));
        var settings = Methods.named("sparsegpt").settings(Map.of("block", "64"));
        assertEquals(Map.of("damping", "0.01", "block", "64"), settings.asText());
    }

    @Test
    void needsAreThoseOfTheSteps() {
        assertEquals(Set.of(), Methods.named("magnitude").needs());
        assertEquals(Set.of(Statistic.INPUT_MEAN_SQUARE), Methods.named("wanda").needs());
        assertEquals(Set.of(Statistic.GRAM), Methods.named("sparsegpt").needs());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "sparsgpt | unknown method 'sparsgpt'; did you mean 'sparsegpt'?",
                "SparseGPT | did you mean 'sparsegpt'?",
                "wnada | did you mean 'wanda'?",
                "quantum | unknown method 'quantum'; known: dpruner, magnitude, sds, sparsegpt, taylor, wanda"
            })
    void anUnknownMethodGetsAHintAndTheList(String name, String message) {
        var e = assertThrows(IllegalArgumentException.class, () -> Methods.create(name, Map.of()));
        assertTrue(e.getMessage().contains(message), e.getMessage());
        assertTrue(
                e.getMessage().contains("dpruner, magnitude, sds, sparsegpt, taylor, wanda"),
                e.getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "dampng | 0.1 | did you mean 'damping'",
                "damping | high | damping must be a number in [0, 1]: 'high'",
                "damping | -1 | a number in [0, 1]",
                "damping | NaN | a number in [0, 1]",
                "block | 0 | block must be a whole number in [1, 65536]: '0'",
                "block | 12.5 | a whole number"
            })
    void aWrongSettingIsNamed(String name, String value, String message) {
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> Methods.create("sparsegpt", Map.of(name, value)));
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            nullValues = "-",
            value = {
                "sds | solver=gradient pull=0.3 | pull",
                "sds | solver=adam steps=7 growth=3 | growth steps",
                "sds | epochs=3 | epochs",
                "sds | reduction=sum | reduction",
                "sds | rounds=0 data=dd second=base | data second",
                "sds | rounds=0 steps=1201 data=kd | data steps",
                "sds | preset=paper pull=0.3 | pull",
                "dpruner | lambda=0.5 | lambda",
                "dpruner | penalty=ewc alpha=1 | alpha",
                "dpruner | score=domain mix=2 penalty=ewc | mix penalty",
                "dpruner | sign=plus importance=raw rate=0.1 | importance rate sign",
                "dpruner | exact=0 fit=domains | fit",
                "dpruner | score=domain penalty=none | penalty", // not both
                "sds | base=wanda second=base | second", // as the default does
                "sds | pull=0.3 | -",
                "sds | solver=gradient pull=0.1 | -", // what it is anyway
                "sds | reduction=sum l1=0.1 | -",
                "sds | preset=rounds rounds=1 | -",
                "dpruner | penalty=paper lambda=0.5 alpha=1 importance=raw | -",
                "dpruner | terms=both sign=plus | -",
                "dpruner | tune=4 rate=0.1 weights=tuned | -", // weights=tuned needs tune
                "sparsegpt | block=64 | -"
            })
    void aSettingThatDecidesNothingIsNamed(String method, String given, String idle) {
        var settings =
                Arrays.stream(given.split(" "))
                        .map(setting -> setting.split("="))
                        .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1]));
        var named = idle == null ? List.of() : List.of(idle.split(" "));
        assertEquals(named, Methods.named(method).idle(settings));
    }

    @Test
    void aMethodWithoutSettingsSaysSo() {
        var e =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> Methods.create("wanda", Map.of("alpha", "1")));
        assertEquals("unknown setting of wanda 'alpha'; there is none", e.getMessage());
    }
}
