package dev.pollard.prune.method;

import dev.pollard.format.Nearest;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;

/// A value for every setting of a method: what the user set, the defaults for the rest.
public final class Settings {
    private final SequencedMap<String, Object> values;

    private Settings(SequencedMap<String, Object> values) {
        this.values = Collections.unmodifiableSequencedMap(values);
    }

    /// @throws IllegalArgumentException if a name is unknown or a value not allowed
    static Settings of(String method, List<Setting> known, Map<String, String> given) {
        var names = known.stream().map(Setting::name).toList();
        for (String name : given.keySet()) {
            if (!names.contains(name)) {
                throw new IllegalArgumentException(
                        Nearest.unknown("setting of " + method, name, names));
            }
        }
        var values = new LinkedHashMap<String, Object>();
        for (Setting setting : known) {
            String text = given.get(setting.name());
            values.put(setting.name(), text == null ? setting.byDefault() : setting.parse(text));
        }
        return new Settings(values);
    }

    /// All values by name, in the order of the catalogue, as words: what a recipe and a record say.
    public SequencedMap<String, String> asText() {
        var words = new LinkedHashMap<String, String>();
        values.forEach((name, value) -> words.put(name, value.toString()));
        return words;
    }

    double get(Setting.Real setting) {
        return (Double) values.get(setting.name());
    }

    int get(Setting.Whole setting) {
        return (Integer) values.get(setting.name());
    }

    String get(Setting.Choice setting) {
        return (String) values.get(setting.name());
    }

    /// The constant of `type` that is called what was chosen.
    <E extends Enum<E>> E get(Setting.Choice setting, Class<E> type) {
        return Enum.valueOf(type, get(setting).toUpperCase(Locale.ROOT));
    }
}
