package dev.pollard.eval;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.pollard.data.Template;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// Makes an item of a record.
final class Form {
    private static final Pattern WHITE_SPACE =
            Pattern.compile("\\s+", Pattern.UNICODE_CHARACTER_CLASS);

    private final Map<String, Template> let = new LinkedHashMap<>();
    private final List<Template> context; // none or one
    private final Texts choices; // null if there are none
    private final Texts contexts; // null if there are none
    private final List<Template> continuation; // none or one
    private final List<Template> gold; // none or one
    private final Texts among; // null if there is none
    private final int from;
    private final List<Template> text; // none or one
    private final List<Template> counted; // none or one
    private final List<Template> reference; // none or one
    private final List<String> until;
    private final int most;
    private final boolean stemmed;

    /// @throws IllegalArgumentException if the parts are none of the five kinds
    Form(TaskDefinition.Form form, Map<String, UnaryOperator<String>> steps) {
        form.let().forEach((name, value) -> let.put(name, new Template(value, steps)));
        this.context = template(form.context(), steps);
        this.choices = Texts.of(form.choices(), steps);
        this.contexts = Texts.of(form.contexts(), steps);
        this.continuation = template(form.continuation(), steps);
        this.gold = template(form.gold(), steps);
        this.among = Texts.of(form.among(), steps);
        this.from = form.from();
        this.text = template(form.text(), steps);
        this.counted = template(form.counted(), steps);
        this.reference = template(form.reference(), steps);
        this.until = form.until();
        this.most = form.most();
        this.stemmed = form.stemmed();
        boolean chosen = choices != null && context.size() == 1 && gold.size() == 1;
        boolean filled = contexts != null && continuation.size() == 1 && gold.size() == 1;
        boolean ended = context.size() == 1 && continuation.size() == 1 && gold.isEmpty();
        boolean whole = text.size() == 1 && counted.size() == 1;
        boolean written = context.size() == 1 && reference.size() == 1;
        if (Stream.of(chosen, filled, ended, whole, written).filter(kind -> kind).count() != 1) {
            throw new IllegalArgumentException(
                    "a form has 'context', 'choices' and 'gold'; or 'contexts', 'continuation' and"
                            + " 'gold'; or 'context' and 'continuation'; or 'text' and 'counted';"
                            + " or 'context' and 'reference'");
        }
    }

    /// What it makes of a record.
    Class<? extends Item> kind() {
        if (!text.isEmpty()) {
            return Item.Page.class;
        }
        if (!reference.isEmpty()) {
            return Item.Summary.class;
        }
        return gold.isEmpty() ? Item.LastWord.class : Item.Choice.class;
    }

    /// Whether the choices are the same for every record.
    boolean hasClasses() {
        return choices != null
                && !choices.list()
                && choices.templates().stream().allMatch(choice -> choice.fields().isEmpty());
    }

    private static List<Template> template(String text, Map<String, UnaryOperator<String>> steps) {
        return text == null ? List.of() : List.of(new Template(text, steps));
    }

    /// Some texts: of one template each, or of one that gives a list.
    private record Texts(List<Template> templates, boolean list) {
        static Texts of(JsonNode node, Map<String, UnaryOperator<String>> steps) {
            if (node == null || node.isNull()) {
                return null;
            }
            if (node.isTextual()) {
                return new Texts(List.of(new Template(node.textValue(), steps)), true);
            }
            var templates = new ArrayList<Template>();
            node.forEach(element -> templates.add(new Template(element.asText(), steps)));
            return new Texts(templates, false);
        }

        List<String> of(JsonNode record) {
            return list
                    ? templates.getFirst().texts(record)
                    : templates.stream().map(template -> template.text(record)).toList();
        }
    }

    /// Whether `record` has all fields.
    boolean fits(JsonNode record) {
        return fields().stream().allMatch(record::hasNonNull);
    }

    /// Names of the fields that a record of this form has.
    Set<String> fields() {
        var all = new ArrayList<Template>(let.values());
        for (var some : List.of(context, continuation, gold, text, counted, reference)) {
            all.addAll(some);
        }
        for (var texts : new Texts[] {choices, contexts, among}) {
            if (texts != null) {
                all.addAll(texts.templates());
            }
        }
        var fields = new LinkedHashSet<String>();
        all.forEach(template -> fields.addAll(template.fields()));
        fields.removeAll(let.keySet());
        return fields;
    }

    /// The item of `record`.
    ///
    /// @param before text in front of the question
    /// @throws Template.UnfitException if a field is missing, is of the wrong kind, or names no
    ///     choice
    Item item(int index, ObjectNode record, String before) {
        ObjectNode fields = prepared(record);
        if (!text.isEmpty()) {
            String original = counted.getFirst().text(fields);
            return new Item.Page(
                    index,
                    new Request.Rolling(text.getFirst().text(fields)),
                    words(original),
                    original.getBytes(StandardCharsets.UTF_8).length);
        }
        if (!reference.isEmpty()) {
            String right = reference.getFirst().text(fields);
            if (right.isBlank()) {
                throw new Template.UnfitException("has an empty reference");
            }
            String start = before + context.getFirst().text(fields);
            return new Item.Summary(
                    index, new Request.Generate(start, until, most, true), right, stemmed);
        }
        if (gold.isEmpty()) {
            return new Item.LastWord(
                    index,
                    request(
                            before + context.getFirst().text(fields),
                            continuation.getFirst().text(fields)));
        }
        var requests = new ArrayList<Request.LogLikelihood>();
        if (contexts != null) {
            String end = continuation.getFirst().text(fields);
            contexts.of(fields).forEach(start -> requests.add(request(before + start, end)));
        } else {
            String start = before + context.getFirst().text(fields);
            choices.of(fields).forEach(choice -> requests.add(request(start, choice)));
        }
        if (requests.size() < 2) {
            throw new Template.UnfitException("has less than two choices");
        }
        return new Item.Choice(index, requests, gold(fields, requests.size()));
    }

    private static Request.LogLikelihood request(String context, String continuation) {
        if (continuation.isEmpty()) {
            throw new Template.UnfitException("has an empty answer");
        }
        return new Request.LogLikelihood(context, " " + continuation);
    }

    /// Pieces between stretches of white space, an empty one at either end included.
    private static int words(String text) {
        return WHITE_SPACE.split(text, -1).length;
    }

    private ObjectNode prepared(ObjectNode record) {
        if (let.isEmpty()) {
            return record;
        }
        ObjectNode fields = record.deepCopy();
        let.forEach((name, template) -> fields.set(name, template.value(fields)));
        return fields;
    }

    private int gold(ObjectNode fields, int choices) {
        JsonNode value = gold.getFirst().value(fields);
        int index;
        if (among != null && !value.isInt()) {
            index = among.of(fields).indexOf(value.asText());
        } else {
            try {
                index = Integer.parseInt(value.asText()) - from;
            } catch (NumberFormatException _) {
                index = -1;
            }
        }
        if (index < 0 || index >= choices) {
            throw new Template.UnfitException(
                    "has '%s' as its answer, which is none of its %d choices"
                            .formatted(value.asText(), choices));
        }
        return index;
    }
}
