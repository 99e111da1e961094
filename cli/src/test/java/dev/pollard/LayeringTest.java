package dev.pollard;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/// The architecture: which package may know which.
class LayeringTest {
    private static final String ROOT = "dev.pollard.";

    /// A package may import only packages of a lower level; those on one level do not know each
    /// other.
    private static final Map<String, Integer> LEVELS =
            Map.ofEntries(
                    Map.entry("format", 0),
                    Map.entry("format.safetensors", 1),
                    Map.entry("format.gguf", 1),
                    Map.entry("format.torch", 1),
                    Map.entry("config", 2),
                    Map.entry("tokenizer", 2),
                    Map.entry("hub", 2),
                    Map.entry("sparse", 2),
                    Map.entry("runtime", 3),
                    Map.entry("tensor", 3),
                    Map.entry("model", 4),
                    Map.entry("data", 4),
                    Map.entry("stats", 4),
                    Map.entry("train", 5),
                    Map.entry("prune.solver", 5),
                    Map.entry("prune", 6),
                    Map.entry("prune.method", 7),
                    Map.entry("prune.structured", 7),
                    Map.entry("recover", 7),
                    Map.entry("eval", 7),
                    Map.entry("recipe", 8),
                    Map.entry("spark", 9),
                    Map.entry("report", 9),
                    Map.entry("cli", 10));

    private static final List<String> CORE =
            List.of("format..", "config", "tokenizer", "hub", "sparse", "runtime");

    private static final JavaClasses CLASSES =
            new ClassFileImporter()
                    .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
                    .withImportOption(location -> !location.contains("-tests.jar"))
                    .importPackages("dev.pollard");

    @Test
    void importsOnlyPointDown() {
        var upward = new TreeSet<String>();
        for (var from : CLASSES) {
            for (var dependency : from.getDirectDependenciesFromSelf()) {
                var to = dependency.getTargetClass().getBaseComponentType();
                if (to.getPackageName().startsWith(ROOT) && !mayKnow(from, to)) {
                    upward.add(
                            "%s (level %d) -> %s (level %d)"
                                    .formatted(
                                            from.getName(), level(from), to.getName(), level(to)));
                }
            }
        }
        assertEquals("", String.join("\n", upward), "imports that do not point down");
    }

    private static boolean mayKnow(JavaClass from, JavaClass to) {
        return from.getPackageName().equals(to.getPackageName()) || level(to) < level(from);
    }

    private static int level(JavaClass type) {
        Integer level = LEVELS.get(type.getPackageName().substring(ROOT.length()));
        if (level == null) {
            throw new AssertionError("no level is given to " + type.getPackageName());
        }
        return level;
    }

    /// Guards the test itself: a wrong class path would make every rule hold.
    @Test
    void looksAtEveryModule() {
        for (String name : List.of("format.Shape", "tensor.Tensor", "cli.Main")) {
            assertTrue(CLASSES.contain(ROOT + name), name);
        }
    }

    @Test
    void packagesFormNoCycles() {
        slices().matching("dev.pollard.(**)").should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void onlyTensorKnowsLibtorch() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.pollard.tensor")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.bytedeco..")
                .check(CLASSES);
    }

    @Test
    void coreNeverSeesTensors() {
        noClasses()
                .that()
                .resideInAnyPackage(CORE.stream().map(name -> ROOT + name).toArray(String[]::new))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.pollard.tensor", "org.bytedeco..")
                .check(CLASSES);
    }

    @Test
    void onlyTheHubOpensConnections() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.pollard.hub")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("java.net.http..")
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(java.net.Socket.class)
                .orShould()
                .dependOnClassesThat()
                .areAssignableTo(java.net.URLConnection.class)
                .check(CLASSES);
    }

    @Test
    void onlySparkKnowsSpark() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.pollard.spark")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.apache.spark..")
                .check(CLASSES);
    }

    @Test
    void onlyTheCommandLinePrints() {
        for (String stream : List.of("out", "err", "in")) {
            noClasses()
                    .that()
                    .resideOutsideOfPackage("dev.pollard.cli")
                    .should()
                    .accessField(System.class, stream)
                    .check(CLASSES);
        }
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.pollard.cli")
                .should()
                .callMethod(Throwable.class, "printStackTrace")
                .check(CLASSES);
    }

    @Test
    void onlyMainEndsTheProcess() {
        noClasses()
                .that()
                .doNotHaveFullyQualifiedName("dev.pollard.cli.Main")
                .should()
                .callMethod(System.class, "exit", int.class)
                .orShould()
                .callMethod(Runtime.class, "exit", int.class)
                .orShould()
                .callMethod(Runtime.class, "halt", int.class)
                .check(CLASSES);
    }
}
