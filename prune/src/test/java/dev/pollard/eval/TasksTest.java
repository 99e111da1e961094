package dev.pollard.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.pollard.format.MalformedFileException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TasksTest {
    private static final String GOOD =
            "{\"question\": \"2 + 2?\", \"choices\": [\"three\", \"four\"], \"answer\": 1}\n";

    @TempDir private Path folder;

    private Questions own(String lines) throws IOException {
        Path file = Files.writeString(folder.resolve("mine.jsonl"), lines);
        return Tasks.named("choice:" + file).read(folder, 0);
    }

    @Test
    void everyTaskIsSound() {
        var names = new HashSet<String>();
        for (var task : Tasks.all()) {
            assertTrue(names.add(task.name()), task.name());
            assertTrue(task.version() > 0);
            assertTrue(!task.metrics().isEmpty() && !task.files().isEmpty(), task.name());
            assertTrue(!task.summary().isBlank() && !task.origin().isBlank(), task.name());
        }
        assertEquals(57, names.stream().filter(name -> name.startsWith("mmlu_")).count());
    }

    @Test
    void asksTheUsersOwnQuestions() throws IOException {
        var items =
                own(GOOD
                                + "{\"context\": \"Two and two are\", \"choices\": [\"3\", \"4\"],"
                                + " \"answer\": \"4\"}\n")
                        .items();
        assertEquals(
                new Item.Choice(
                        0,
                        List.of(
                                new Request.LogLikelihood("Question: 2 + 2?\nAnswer:", " three"),
                                new Request.LogLikelihood("Question: 2 + 2?\nAnswer:", " four")),
                        1),
                items.getFirst());
        var second = (Item.Choice) items.get(1);
        assertEquals("Two and two are", second.requests().getFirst().context());
        assertEquals(1, second.gold());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "no JSON|line 2 is not JSON",
                "[1, 2]|line 2 is no object with fields",
                "{'question': 'a'}|line 2 does not have the fields of choice:",
                "{'question': 'a', 'choices': 'b', 'answer': 0}|line 2 has no list",
                "{'question': 'a', 'choices': ['b'], 'answer': 0}|less than two choices",
                "{'question': 'a', 'choices': ['b', ''], 'answer': 0}|an empty answer",
                "{'question': 'a', 'choices': ['b', {}], 'answer': 0}|no text in",
                "{'question': 'a', 'choices': ['b', null], 'answer': 0}|no text in",
                "{'question': ['a'], 'choices': ['b', 'c'], 'answer': 0}|no text in 'question'",
                "{'question': 'a', 'choices': ['b', 'c'], 'answer': 2}|none of its 2 choices",
                "{'question': 'a', 'choices': ['b', 'c'], 'answer': -1}|none of its 2 choices",
                "{'question': 'a', 'choices': ['b', 'c'], 'answer': 'd'}|none of its 2 choices",
                "{'question': '\\ud800', 'choices': ['b', 'c'], 'answer': 0}|half a character"
            })
    void refusesMalformedQuestionsByFileAndLine(String line, String problem) {
        var refused =
                assertThrows(
                        MalformedFileException.class, () -> own(GOOD + line.replace('\'', '"')));
        assertTrue(refused.getMessage().contains(problem), refused.getMessage());
        assertTrue(refused.getMessage().contains("mine.jsonl"), refused.getMessage());
        assertTrue(refused.getMessage().contains("line 2"), refused.getMessage());
        assertEquals(GOOD.length(), refused.offset());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\n\n", "\u0000", "{", "\"", "{\"question\": \"a"})
    void refusesWhatIsNoFileOfQuestions(String text) {
        assertThrows(MalformedFileException.class, () -> own(text));
    }

    @Test
    void refusesBytesThatAreNoText() throws IOException {
        Path file = Files.write(folder.resolve("mine.jsonl"), new byte[] {(byte) 0xff, 'a'});
        var task = Tasks.named("choice:" + file);
        assertThrows(MalformedFileException.class, () -> task.read(folder, 0));
    }

    @Test
    void findsPackedFilesInFoldersOfTheFolder() throws IOException {
        Path inside = Files.createDirectories(folder.resolve("benchmarks"));
        var packed = new ByteArrayOutputStream();
        try (var gzip = new GZIPOutputStream(packed)) {
            gzip.write(
                    "{\"sentence1\": \"A.\", \"sentence2\": \"B.\", \"label\": 1}\n"
                            .getBytes(StandardCharsets.UTF_8));
        }
        Files.write(inside.resolve("rte-dev.jsonl.gz"), packed.toByteArray());
        var item = (Item.Choice) Tasks.named("rte").read(folder, 0).items().getFirst();
        assertEquals(
                "A.\nQuestion: B. True or False?\nAnswer:", item.requests().getFirst().context());
        assertEquals(1, item.gold());
    }

    @Test
    void saysWhichFileIsMissingAndWhereToGetIt() throws IOException {
        var task = Tasks.named("piqa");
        var missing = assertThrows(NoSuchFileException.class, () -> task.read(folder, 0));
        assertTrue(missing.getMessage().contains("piqa-valid.jsonl"), missing.getMessage());
        assertTrue(missing.getMessage().contains("--task-data"), missing.getMessage());
        assertTrue(missing.getMessage().contains("the PIQA site"), missing.getMessage());
    }

    @Test
    void joinsLabelsLineByLine() throws IOException {
        Files.writeString(
                folder.resolve("piqa-valid.jsonl"),
                "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n".repeat(2));
        Files.writeString(folder.resolve("piqa-valid-labels.lst"), "1\n0\n");
        var items = Tasks.named("piqa").read(folder, 0).items();
        assertEquals(1, ((Item.Choice) items.getFirst()).gold());
        Files.writeString(folder.resolve("piqa-valid-labels.lst"), "1\n");
        var task = Tasks.named("piqa");
        var refused = assertThrows(MalformedFileException.class, () -> task.read(folder, 0));
        assertTrue(refused.getMessage().contains("2 records"), refused.getMessage());
    }

    @Test
    void putsTheFirstExamplesInFront() throws IOException {
        String row = "Sky?,red,blue,\"a, b\",d,B\n";
        Files.writeString(folder.resolve("mmlu-anatomy-test.csv"), row);
        Files.writeString(folder.resolve("mmlu-anatomy-dev.csv"), "Sun?,w,x,y,z,D\n" + row);
        var task = Tasks.named("mmlu_anatomy");
        var item = (Item.Choice) task.read(folder, 1).items().getFirst();
        assertEquals(
                """
                The following are multiple choice questions (with answers) about anatomy.

                Sun?
                A. w
                B. x
                C. y
                D. z
                Answer: D

                Sky?
                A. red
                B. blue
                C. a, b
                D. d
                Answer:""",
                item.requests().getFirst().context());
        assertThrows(IllegalArgumentException.class, () -> task.read(folder, 3));
        Files.writeString(folder.resolve("mmlu-anatomy-test.csv"), "Sky?,red,blue\n");
        assertThrows(MalformedFileException.class, () -> task.read(folder, 0));
    }

    @Test
    void takesADefinitionOfTheUsersOwn() throws IOException {
        Path file = folder.resolve("colours.json");
        Files.writeString(
                file,
                """
                {"name": "colours", "version": 3, "metrics": ["acc"], "files": ["c.csv"],
                 "forms": [{"context": "{thing|capitalize} is", "choices": ["red", "blue"],
                            "gold": "{colour}", "among": ["red", "blue"]}]}
                """);
        Files.writeString(folder.resolve("c.csv"), "thing,colour\nsky,blue\n");
        var item = (Item.Choice) Tasks.named("task:" + file).read(folder, 0).items().getFirst();
        assertEquals("Sky is", item.requests().getFirst().context());
        assertEquals(1, item.gold());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "{}",
                "{\"name\": \"a\", \"version\": 1, \"metrics\": [\"f1\"], \"forms\": []}",
                "{\"name\": \"a\", \"version\": 1, \"metrics\": [], \"forms\": [{}]}",
                "{\"name\": \"a\", \"version\": 1, \"metrics\": [], \"colour\": 2, \"forms\": []}",
                "{\"name\": \"a\", \"version\": 1, \"metrics\": [],"
                        + " \"forms\": [{\"text\": \"{a|shout}\", \"counted\": \"{a}\"}]}"
            })
    void refusesDefinitionsThatAreNotSound(String json) throws IOException {
        Path file = Files.writeString(folder.resolve("bad.json"), json);
        assertThrows(MalformedFileException.class, () -> Tasks.named("task:" + file));
    }

    @Test
    void asksBackAboutUnknownTasks() {
        var unknown = assertThrows(IllegalArgumentException.class, () -> Tasks.named("piqua"));
        assertTrue(unknown.getMessage().contains("did you mean 'piqa'"), unknown.getMessage());
        var subject =
                assertThrows(IllegalArgumentException.class, () -> Tasks.named("mmlu_anatmy"));
        assertTrue(subject.getMessage().contains("'mmlu_anatomy'"), subject.getMessage());
    }

    @Test
    void drawsASampleBySeed() throws IOException {
        var all = own(GOOD.repeat(50));
        int[] drawn = new int[50];
        boolean firstTen = true;
        for (int seed = 0; seed < 2_000; seed++) {
            var some = all.sample(10, seed);
            assertEquals(50, some.available());
            int[] indices = some.items().stream().mapToInt(Item::index).toArray();
            assertEquals(10, IntStream.of(indices).distinct().count());
            assertEquals(
                    IntStream.of(indices).sorted().boxed().toList(),
                    IntStream.of(indices).boxed().toList());
            for (int index : indices) {
                drawn[index]++;
            }
            firstTen &= indices[9] == 9;
        }
        assertTrue(!firstTen, "never the first ones");
        for (int count : drawn) { // 400 expected, standard deviation 18
            assertTrue(count > 300 && count < 500, "drawn " + count + " times of 400");
        }
        assertEquals(all.sample(10, 3), all.sample(10, 3));
        assertNotEquals(all.sample(10, 3).items(), all.sample(10, 4).items());
        assertEquals(all, all.sample(50, 1));
        assertThrows(IllegalArgumentException.class, () -> all.sample(0, 1));
    }
}
